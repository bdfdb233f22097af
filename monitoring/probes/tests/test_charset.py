"""Bodies become text as they do in browsers; the values are those of the Encoding standard, read off Chromium."""

import pytest
from webencodings.labels import LABELS

from monitoring.probes.http.charset import SCANNED_BYTES, text_of
from monitoring.probes.http.content_type import read_content_type, values_of
from monitoring.probes.http.encodings import BROKEN_BYTES, MOST_ESCAPES, MOST_FAULTS

HTML = "text/html"


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        (b"\x80 \xfc", "iso-8859-1", "€ ü"),  # which is windows-1252 on the web
        (b"\x80 \xfc", "us-ascii", "€ ü"),
        (b"\x80 \xfc", "latin1", "€ ü"),
        (b"\x81\x9d", "windows-1252", "\x81\x9d"),
        (b"\xaa\x81", "windows-1253", "\ufffd\x81"),
        (b"\xca\xa4", "windows-1255", "\u05ba₪"),
        (b"\xd0", "iso-8859-9", "Ğ"),
        (b"\xfb\xa1", "tis-620", "๛ก"),
        (b"\xae\xbe\xa4", "koi8-u", "ўЎє"),
        (b"\xae\xa4", "koi8-ru", "ўє"),
        (b"\x8f\xe0", "cp866", "Пр"),
        (b"\x80\xdb", "macintosh", "Ä€"),
        (b"\x80\xff", "x-mac-ukrainian", "А€"),
        (b"\x80\xff", "x-user-defined", "\uf780\uf7ff"),
        (b"\xe0\xf9", "logical", "אש"),
        ("정상 뚏 펲".encode("cp949"), "euc-kr", "정상 뚏 펲"),
        (b"\xbc\x84", "ks_c_5601-1987", "펲"),
        (b"\xe9F", "gb2312", "镕"),
        (b"\x80\xa2\xe3", "gbk", "€€"),
        (b"\xa6\xd9\xa8\xbc\xfe\x59", "gb18030", "︐ḿ龴"),
        (b"\x81\x30\x81\x30", "gb2312", "\x80"),  # GBK's decoder is that of GB 18030
        (b"\xa3\xe1\xa1\x45\x87\x7a", "big5", "€‧㡵"),
        (b"\xfa\x40", "big5-hkscs", "𠕇"),
        (b"\x87\x40\x81\x60", "shift_jis", "①～"),
        (b"\x87\x40", "x-sjis", "①"),
        (b"\x87\x40\xfa\x40", "windows-31j", "①ⅰ"),
        (b"\xa0\xfd", "shift_jis", "\ufffd\ufffd"),
        (b"\xad\xa1\xa1\xc1\xa1\xdd\x8e\xb1\xf9\xa1", "euc-jp", "①～－ｱ纊"),
        (b"\x8f\xb0\xa1", "x-euc-jp", "丂"),
        (b"a\x1b$B-!\x1b(J\\\x1b(I1\x1b(B\\", "iso-2022-jp", "a①¥ｱ\\"),
        ("grün".encode("utf-16-le"), "utf-16", "grün"),
        ("grün".encode("utf-16-le"), "ucs-2", "grün"),
        ("grün".encode("utf-16-be"), "unicodefffe", "grün"),
        ("\ufeff\ufeffgrün".encode(), "utf-16", "\ufeffgrün"),  # the first is the mark
        (b"gr\xc3\xbcn", "' UTF8 '", "grün"),
        (b"gr\xc3\xbcn", "utf-7", "grün"),  # unknown on the web, and so are Python's own codecs
        (b"gr\xc3\xbcn", "utf-32", "grün"),
        (b"gr\xc3\xbcn", "\u212a\0" * 9_000, "grün"),
        (b"gr\xc3\xbcn", "iso-2022-kr", "\ufffd"),  # which browsers replace, for it hides scripts
        (b"", "hz-gb-2312", ""),
    ],
)
def test_text_is_read_as_browsers_do(content: bytes, charset: str, text: str) -> None:
    assert text_of(content, f"text/plain; charset={charset}") == text


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        (b'"\x81"', "shift_jis", '"\ufffd"'),  # a byte of ASCII after the first half of a character is read again
        (b'"\x81"', "gbk", '"\ufffd"'),
        (b'"\x87"', "big5", '"\ufffd"'),
        (b'"\xc9"', "euc-kr", '"\ufffd"'),
        (b'"\x8f\xa1"', "euc-jp", '"\ufffd"'),
        (b"\xff\x81\xffx", "gbk", "\ufffd\ufffdx"),
        (b"\x8f\xa1\xa1x", "euc-jp", "\ufffdx"),
        (b"\x81", "shift_jis", "\ufffd"),
    ],
)
def test_half_a_character_swallows_no_ascii(content: bytes, charset: str, text: str) -> None:
    assert text_of(content, f"text/plain; charset={charset}") == text


@pytest.mark.parametrize(
    ("headers", "kind", "charset"),
    [
        (["text/html", "text/html; charset=euc-kr"], "text/html", "euc-kr"),
        (["text/html; charset=euc-kr", "text/html"], "text/html", "euc-kr"),
        (["text/html; charset=euc-kr", "Text/Plain"], "text/plain", ""),
        (["text/event-stream", "text/html; charset=euc-kr"], "text/html", "euc-kr"),
        (["text/html; charset=euc-kr", ""], "text/html", "euc-kr"),
        (["text/html; charset=euc-kr", "x"], "text/html", "euc-kr"),
        (["text/html; charset=euc-kr", "*/*"], "text/html", "euc-kr"),
        (["text/html, text/html; charset=euc-kr"], "text/html", "euc-kr"),
        (["text/html; charset=euc-kr, text/html"], "text/html", "euc-kr"),
        (['text/html; a="; charset=utf-8"; charset=euc-kr'], "text/html", "euc-kr"),
        (['text/html; a="b, c/d"; charset=euc-kr'], "text/html", "euc-kr"),
        (['text/html; charset="euc\\-kr"'], "text/html", "euc-kr"),
        (['text/html; charset="euc-kr'], "text/html", "euc-kr"),
        (['text/html; Charset="  euc-kr "'], "text/html", "euc-kr"),
        (["text/html; charset= ; charset=euc-kr"], "text/html", "euc-kr"),
        (['text/html; charset=""; charset=euc-kr'], "text/html", ""),
        (["text/html; charset=euc-kr; charset=utf-8"], "text/html", "euc-kr"),
        (["text/html charset=euc-kr"], "text/html", ""),
        (["text/html;charset:euc-kr"], "text/html", ""),
        (["charset=euc-kr"], "", ""),
        (["text/html; charset='euc-kr'"], "text/html", "euc-kr"),  # unlike Chromium
        (["text/html; charset = euc-kr"], "text/html", "euc-kr"),  # unlike Chromium
    ],
)
def test_content_type_is_read_as_by_chromium(headers: list[str], kind: str, charset: str) -> None:
    values = values_of([(b"Content-Type", value.encode()) for value in headers])

    assert read_content_type(values) == (kind, charset)


@pytest.mark.parametrize("text", [";" + " " * 60_000, "a/b;" * 20_000, 'a/b;"' * 20_000, 'a/b;x="' + "\\" * 60_000])
def test_a_hostile_content_type_means_little(text: str) -> None:
    assert read_content_type(text).charset == ""


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        (b"\xef\xbb\xbf\xc3\xbc", "text/html; charset=euc-kr", "ü"),
        (b"\xff\xfe\xfc\x00", "text/html; charset=utf-8", "ü"),
        (b"<meta charset=euc-kr>\xc3\xbc", "text/html; charset=utf-8", "<meta charset=euc-kr>ü"),
        (b"<meta charset=euc-kr>\xbc\x84", "text/html; charset=nonsense", "<meta charset=euc-kr>펲"),
        (b"\xc3\xbc", HTML, "ü"),
        (b"\xc3\xbc", "", "ü"),
        (b"\xfc", 'text/html; Charset = "latin1"; x=y', "ü"),
        (b"\xfc", "text/html;charset=latin1;charset=utf-8", "ü"),
        (b"\xfc", "text/html; x=charset; charset=latin1", "ü"),
        (b"<?xml version='1.0' encoding='latin1'?>\xfc", "text/xml", "<?xml version='1.0' encoding='latin1'?>ü"),
        (b'{"a": "<meta charset=latin1>\xc3\xbc"}', "application/json", '{"a": "<meta charset=latin1>ü"}'),
        (b"<meta charset=latin1>\xc3\xbc", "text/plain", "<meta charset=latin1>ü"),
    ],
)
def test_mark_then_header_then_meta_then_utf_8(content: bytes, content_type: str, text: str) -> None:
    assert text_of(content, content_type) == text


@pytest.mark.parametrize(
    "start",
    [
        b"<meta charset=latin1>",
        b"<META CHARSET = 'Latin1' />",
        b'<!doctype html><html lang="de"><head><title>x</title><meta charset="latin1">',
        b'<meta http-equiv="Content-Type" content="text/html; charset=latin1">',
        b"<meta content='text/html;charset=\"latin1\"' http-equiv=content-type>",
        b"<meta http-equiv=content-type content='charset = latin1; x'>",
        b"<meta/charset=latin1>",
        b"<meta name=a content=b><meta charset=unknown><meta charset=latin1>",
        b"<!-- <meta charset=utf-8> --><meta charset=latin1>",
        b"<!--><meta charset=latin1>",
        b"<a title='<meta charset=utf-8>'><meta charset=latin1>",
        b"</p title='<meta charset=utf-8>'><? x ?><! y ><meta charset=latin1>",
        b"<meta charset=latin1 charset=utf-8>",
        b"<metadata charset=utf-8><meta charset=latin1>",
        b"<?xml version='1.0' encoding='latin1'?>",
        b"a < b <meta charset=latin1>",
        b"<meta charset=x-user-defined>",  # which nobody could mean: it is windows-1252
        b"x" * (SCANNED_BYTES - 21) + b"<meta charset=latin1>",
    ],
)
def test_document_says_its_charset(start: bytes) -> None:
    assert text_of(start + b"\xfc", HTML).endswith("ü")


@pytest.mark.parametrize(
    "start",
    [
        b"<meta charset=utf-16>",  # cannot be true, as it was read
        b"<meta charset=utf-16be>",
        b"<meta name=x content='text/html; charset=latin1'>",
        b"<meta content='text/html; charset=latin1'>",
        b"<meta http-equiv=refresh content='charset=latin1'>",
        b"<!-- <meta charset=latin1> -->",
        b"<!-- <meta charset=latin1>",
        b"<a title='<meta charset=latin1>'>",
        b"<metacharset=latin1>",
        b"<meta data-charset=latin1>",
        b"<meta charset=",
        b"x" * (SCANNED_BYTES - 10) + b"<meta charset=latin1>",
    ],
)
def test_document_that_says_nothing_is_utf_8(start: bytes) -> None:
    assert text_of(start + b"\xc3\xbc", HTML).endswith("ü")


@pytest.mark.parametrize("label", sorted(LABELS))
def test_any_bytes_in_any_charset_become_text(label: str) -> None:
    content = bytes(range(256)) * 2

    text = text_of(content, f"text/plain; charset={label}")

    assert text
    text.encode()  # there is no half of a surrogate in it


def test_of_a_broken_body_the_beginning_is_read() -> None:
    utf_16 = text_of(b"a\0" * BROKEN_BYTES + b"\x00\xd8", "text/plain; charset=utf-16le")
    faulty = text_of(b"a\x80" * (MOST_FAULTS + 9), "text/plain; charset=big5")
    escaped = text_of(b"\x1b(Ba" * (MOST_ESCAPES + 9), "text/plain; charset=iso-2022-jp")

    assert utf_16 == "a" * (BROKEN_BYTES // 2)
    assert faulty == "a\ufffd" * MOST_FAULTS + "a\ufffd"
    assert escaped.startswith("a" * MOST_ESCAPES)
