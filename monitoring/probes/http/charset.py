"""Decode text as browsers do (WHATWG, Encoding). webencodings knows labels and byte order marks; Python decodes."""

import codecs
from functools import lru_cache

from webencodings import UTF8, Encoding, decode, lookup

# In all other charsets each byte is one character.
MULTI_BYTE = frozenset(
    ("utf-8", "utf-16le", "utf-16be", "gbk", "gb18030", "big5", "euc-jp", "iso-2022-jp", "shift_jis", "euc-kr")
)
BROKEN_BYTES = 64 * 1024  # of a body in UTF-16 with a fault: each fault takes long
LONGEST_MARK = 3


def text_of(content: bytes, announced: str | None) -> str:
    """Return the text of a body; what cannot be read in it becomes U+FFFD.

    A byte order mark decides, then the charset announced, and otherwise it is UTF-8.
    """
    fallback = lookup((announced or "").strip("\"' ")) or UTF8
    encoding = decode(content[:LONGEST_MARK], fallback)[1]
    return _text_in(encoding, content).removeprefix("\ufeff")


def _text_in(encoding: Encoding, content: bytes) -> str:
    if encoding.name not in MULTI_BYTE:
        return codecs.charmap_decode(content, "replace", _characters(encoding))[0]
    read = encoding.codec_info.decode
    if not encoding.name.startswith("utf-16"):
        return str(read(content, "replace")[0])
    try:
        return str(read(content, "strict")[0])
    except UnicodeDecodeError:
        return str(read(content[:BROKEN_BYTES], "replace")[0])


@lru_cache
def _characters(encoding: Encoding) -> str:
    """Return the character of each byte. Python's own tables have gaps, and decoding a MiB of gaps takes it 400 ms."""
    read = [encoding.codec_info.decode(bytes([byte]), "replace")[0] for byte in range(256)]
    # On the web, bytes 80 to 9F that have no character are control characters.
    return "".join(chr(byte) if 0x80 <= byte < 0xA0 and read[byte] == "\ufffd" else read[byte] for byte in range(256))
