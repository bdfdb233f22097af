"""Decode the encodings of the web (WHATWG, Encoding). Python's codecs differ from it, most of all in East Asia."""

import codecs
import re
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache

from webencodings import Encoding

# In all other charsets each byte is one character.
MULTI_BYTE = frozenset(
    ("utf-8", "utf-16le", "utf-16be", "gbk", "gb18030", "big5", "euc-jp", "iso-2022-jp", "shift_jis", "euc-kr")
)
BROKEN_BYTES = 64 * 1024  # of a body in UTF-16 with a fault: each fault takes long
MOST_FAULTS = 10_000  # in others; of a body with more, the beginning is read
MOST_ESCAPES = 10_000
# Python's codec for each encoding; the characters that it reads otherwise, and those it should read.
_CODECS = {"gbk": "gb18030", "gb18030": "gb18030", "big5": "big5hkscs", "euc-jp": "euc_jp", "shift_jis": "cp932",
           "euc-kr": "cp949"}  # fmt: skip
_OTHERWISE = {
    "big5": ("•､‾∼♁☉¥¢£", "‧﹑¯～⊕⊙￥￠￡"),
    "euc-jp": ("〜‖−¢£¬", "～∥－￠￡￢"),
    "gb18030": (
        "\ue5e5\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue7c7\ue81e\ue826\ue82b\ue82c\ue832\ue843"
        "\ue854\ue864",
        "\u3000︐︒︑︓︔︕︖︗︘︙ḿ龴龵龶龷龸龹龺龻",
    ),
    "shift_jis": ("\uf8f0\uf8f1\uf8f2\uf8f3", "\ufffd" * 4),
}
_OTHERWISE["gbk"] = _OTHERWISE["gb18030"]
# The pairs of Big5 that Python's codec lacks, each the first of a row of characters.
_BIG5_ROWS = (
    "877a㡵𡵓𣚞𦀡㻬𥣞㫵竼龗𤅡𨤍𣇪𠪊𣉞䌊蒄龖鐯䤰蘓墖靊鈘秐稲晠権袝瑌篅枂稬剏遆㓦珄𥶹瓆鿇垳䤯呌䄱𣚎堘穲𧭥讏䚮𦺈"
    "䆁𥶙箮𢒼鿈𢓁𢓉𢓌鿉蔄𣖻䂴鿊䓡𪷿拁灮鿋 8e69箸 8e6f簆 8e7e糎 8eab緒 8eb4縝 8ecd者 8ed0耨 8f57菁 8f69蒨 "
    "8f6e萏 8fcb覦覩 8ffe起 906d都 907a銹 90dc靜 90f1響 91bf鼖 9244蔃 92af兙兛兝兞 92c8鍮 92d1瑹 9447浧 "
    "94ca禛 95d9邗 9644靝 96ed瀞 96fc嬨 9b76爁 9b78矗 9b7b纇 9bc6駖 9bde釔 9bec惞 9bf6澶 9c42輶 9c53侻 9c62營 "
    "9c68鄄 9c6b鷰 9c77菏 9cbc尐秣 9cd0婧 9d57輋 9d5a筑 9dc4拐 9ea9恢 9eef痹 9efd汊 9f60鬮 9f66鼗 9fcb僭 "
    "9fd8弌 a063蠏 a077拎 a0d5瑨 a0df煢 a0e4牐 a3c0␀␁␂␃␄␅␆␇␈␉␊␋␌␍␎␏␐␑␒␓␔␕␖␗␘␙␚␛␜␝␞␟␡€ c6cf廴 c6d3无 c6d5癶 "
    "c6d7隶 c6de〃仝 fa5f倩 fa66偽 fabd包 fac5卄 fad5卿 fb48嘅 fbb8婷 fbf3幵 fbf9廐 fc4f彘 fc6c悤 fcb9撐 "
    "fce2晴 fcf1杞 fdb7沜渝 fdbb港 fdf1煮 fe52猪 fe6f瑜 feaa瓩 fedd砉 "
)
_SINGLE = {"koi8-u": {0xAE: "ў", 0xBE: "Ў"}, "windows-1255": {0xCA: "\u05ba"}}
_ESCAPES = {b"\x1b(B": "ascii", b"\x1b(J": "roman", b"\x1b(I": "katakana", b"\x1b$@": "kanji", b"\x1b$B": "kanji"}
_ESCAPE = re.compile(rb"(\x1b(?:\([BJI]|\$[@B]))")
_SHIFTS = re.compile(r"[\x0e\x0f]")


class _Faults(threading.local):
    left = MOST_FAULTS


_faults = _Faults()


def decode(content: bytes, encoding: Encoding) -> str:
    """Return the text of a body without its mark; what cannot be read in it becomes U+FFFD."""
    name = encoding.name
    if name == "replacement":
        return "\ufffd" if content else ""
    if name not in MULTI_BYTE:
        return codecs.charmap_decode(content, "replace", _characters(encoding))[0]
    if name == "utf-8":
        return content.decode("utf-8", "replace")
    if name.startswith("utf-16"):
        return _decode_utf_16(content, name)
    if name == "iso-2022-jp":
        return _decode_iso_2022_jp(content)
    return _decode_pairs(content, name)


def _decode_utf_16(content: bytes, name: str) -> str:
    try:
        return content.decode(name, "strict")
    except UnicodeDecodeError:
        return content[:BROKEN_BYTES].decode(name, "replace")


def _decode_pairs(content: bytes, name: str) -> str:
    codec = _CODECS[name]
    _faults.left = MOST_FAULTS
    text = content.decode(codec, f"web-{name}")
    for pythons, webs in zip(*_OTHERWISE.get(name, ("", "")), strict=True):
        if pythons in text:  # much faster than `translate`
            text = text.replace(pythons, webs)
    return text


def _handler(name: str) -> Callable[[UnicodeError], tuple[str, int]]:
    """Return an error handler for Python's codec."""
    gaps = _gaps(name)
    first_leads = 0xA1 if name == "euc-jp" else 0x81

    def handle(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        _faults.left -= 1
        content, at = error.object, error.start
        if _faults.left < 0:
            return "\ufffd", len(content)
        lead, pair = content[at], content[at : at + 2]
        for known in (pair, pair[:1]):
            if known in gaps:
                return gaps[known], at + len(known)
        size = 3 if name == "euc-jp" and lead == 0x8F else 2
        # A byte of ASCII after a lead is read again: it may be the quote that ends an attribute.
        while size > 1 and (len(content) < at + size or min(content[at + 1 : at + size]) < 0x80):
            size -= 1
        is_lead = first_leads <= lead <= 0xFE or (name == "euc-jp" and lead in (0x8E, 0x8F))
        return "\ufffd", at + (size if is_lead and not (name == "shift_jis" and 0xA0 <= lead <= 0xDF) else 1)

    return handle


def _gaps(name: str) -> dict[bytes, str]:
    """Return the bytes that Python's codec refuses and browsers read."""
    if name in ("gbk", "gb18030"):
        return {b"\x80": "€"}
    if name == "euc-jp":
        return dict(_of_shift_jis())
    if name == "big5":
        return dict(_of_big5())
    return {}


def _of_shift_jis() -> Iterator[tuple[bytes, str]]:
    """Yield the rows 13 and 89 to 92 of JIS X 0208, which only Windows has, in EUC-JP."""
    for row in (13, *range(89, 93)):
        for cell in range(1, 95):
            lead = (row - 1) // 2
            trail = cell + (0x3F if cell < 64 else 0x40) if row % 2 else cell + 0x9E
            found = bytes([lead + (0x81 if lead < 31 else 0xC1), trail]).decode("cp932", "replace")
            if "\ufffd" not in found:
                yield bytes([row + 0xA0, cell + 0xA0]), found


def _of_big5() -> Iterator[tuple[bytes, str]]:
    trails = [*range(0x40, 0x7F), *range(0xA1, 0xFF)]
    for row in "".join(_BIG5_ROWS).split():
        lead, at = int(row[:2], 16), trails.index(int(row[2:4], 16))
        for character in row[4:]:
            yield bytes([lead, trails[at]]), character
            lead, at = (lead, at + 1) if at + 1 < len(trails) else (lead + 1, 0)


def _decode_iso_2022_jp(content: bytes) -> str:
    parts = _ESCAPE.split(content, MOST_ESCAPES)
    text = [_in_mode("ascii", parts[0])]
    text += [_in_mode(_ESCAPES[escape], part) for escape, part in zip(parts[1::2], parts[2::2], strict=True)]
    return _SHIFTS.sub("\ufffd", "".join(text))


def _in_mode(mode: str, part: bytes) -> str:
    if mode == "ascii":
        return part.decode("ascii", "replace")
    if mode == "roman":
        return part.decode("ascii", "replace").replace("\\", "¥").replace("~", "‾")
    if mode == "katakana":
        return "".join(chr(byte + 0xFF40) if 0x21 <= byte <= 0x5F else "\ufffd" for byte in part)
    return _decode_pairs(bytes(byte | 0x80 if 0x21 <= byte <= 0x7E else byte & 0x7F for byte in part), "euc-jp")


@lru_cache
def _characters(encoding: Encoding) -> str:
    """Return the character of each byte. Python's own tables have gaps, and decoding a MiB of gaps takes it 400 ms."""
    read = [encoding.codec_info.decode(bytes([byte]), "replace")[0] for byte in range(256)]
    for byte, character in _SINGLE.get(encoding.name, {}).items():
        read[byte] = character
    # On the web, bytes 80 to 9F that have no character are control characters.
    return "".join(chr(byte) if 0x80 <= byte < 0xA0 and read[byte] == "\ufffd" else read[byte] for byte in range(256))


for _name in _CODECS:
    codecs.register_error(f"web-{_name}", _handler(_name))
