"""Bodies become text as they do in browsers."""

import pytest
from webencodings.labels import LABELS

from monitoring.probes.http.charset import BROKEN_BYTES, text_of


@pytest.mark.parametrize(
    ("content", "announced", "text"),
    [
        (b"\x80 \xfc", "iso-8859-1", "\u20ac \u00fc"),  # which is windows-1252 on the web
        (b"\x80 \xfc", "us-ascii", "\u20ac \u00fc"),
        (b"\x81\x9d", "windows-1252", "\x81\x9d"),
        (b"\xaa\x81", "windows-1253", "\ufffd\x81"),
        ("\uc815\uc0c1 \ub68f".encode("cp949"), "euc-kr", "\uc815\uc0c1 \ub68f"),
        ("\u2460".encode("cp932"), "shift_jis", "\u2460"),
        ("gr\u00fcn".encode("utf-16-le"), "utf-16", "gr\u00fcn"),
        ("gr\u00fcn".encode("utf-16-be"), "utf-16be", "gr\u00fcn"),
        ("\ufeff\ufeffgr\u00fcn".encode(), "utf-16", "\ufeffgr\u00fcn"),  # the first is the mark
        (b"", None, ""),
        (b"gr\xc3\xbcn", "", "gr\u00fcn"),
        (b"gr\xc3\xbcn", "' UTF8 '", "gr\u00fcn"),
        (b"gr\xc3\xbcn", "utf-7", "gr\u00fcn"),  # unknown on the web, and so are Python's own codecs
        (b"gr\xc3\xbcn", "\u212a\0" * 9_000, "gr\u00fcn"),
        (b"gr\xc3\xbcn", "iso-2022-kr", "\ufffd" * 5),  # which browsers replace, for it hides scripts
    ],
)
def test_text_is_read_as_browsers_do(content: bytes, announced: str | None, text: str) -> None:
    assert text_of(content, announced) == text


@pytest.mark.parametrize("label", sorted(LABELS))
def test_any_bytes_in_any_charset_become_text(label: str) -> None:
    content = bytes(range(256)) * 2

    text = text_of(content, label)

    assert text
    text.encode()  # there is no half of a surrogate in it


def test_of_a_broken_body_in_utf_16_the_beginning_is_read() -> None:
    text = text_of(b"a\0" * BROKEN_BYTES + b"\x00\xd8", "utf-16le")

    assert text == "a" * (BROKEN_BYTES // 2)
