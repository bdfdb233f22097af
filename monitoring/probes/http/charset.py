"""Bytes to text, as a body says or shows that it is encoded."""

import codecs

# What the web uses (WHATWG, Encoding). Python knows more, some of which cost minutes for a hostile body.
KNOWN = frozenset(
    {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "ascii", "koi8-r", "koi8-u",
     "euc_kr", "cp949", "johab", "iso2022_kr", "shift_jis", "cp932", "euc_jp", "iso2022_jp", "gb2312", "gbk", "gb18030",
     "big5", "big5hkscs", "tis-620"}
)  # fmt: skip
BROKEN_BYTES = 64 * 1024  # of a body in a wide encoding that breaks it: each fault takes long
KNOWN_FAMILIES = ("iso8859", "cp125", "cp874", "mac-")
# The longer first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def text_of(content: bytes, announced: str | None) -> str:
    """Return the text of a body; what cannot be read in it becomes U+FFFD.

    A byte order mark decides, then the charset announced, and otherwise it is UTF-8.
    """
    name = next((name for mark, name in _MARKS if content.startswith(mark)), None) or _known(announced) or "utf-8"
    if not name.startswith(("utf-16", "utf-32")):
        return content.decode(name, errors="replace")
    try:
        return content.decode(name)
    except UnicodeDecodeError:
        return content[:BROKEN_BYTES].decode(name, errors="replace")


def _known(announced: str | None) -> str | None:
    try:
        name = codecs.lookup((announced or "").strip("\"' ")).name
    except (LookupError, ValueError):
        return None
    if name == "utf-16":
        return "utf-16-le"  # without a mark; Python would take the byte order of our machine
    return name if name in KNOWN or name.startswith(KNOWN_FAMILIES) else None
