"""Find the encoding of a body as browsers do: byte order mark, Content-Type, what the document says, UTF-8."""

import re

from webencodings import UTF8, Encoding, lookup

from monitoring.probes.http.content_type import read_content_type
from monitoring.probes.http.encodings import decode

SCANNED_BYTES = 1024  # WHATWG HTML, 13.2.3.2
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16le"), (b"\xfe\xff", "utf-16be"))
_HTML = ("", "text/html", "application/xhtml+xml")
_XML = re.compile(r"(?:text|application)/xml|[^;]*\+xml")
_IN_CONTENT = re.compile(r"charset\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;\"']+))", re.IGNORECASE | re.ASCII)
_DECLARATION = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*(?:\"([^\">]*)\"|'([^'>]*)')")
# A comment; a meta element; another tag; another declaration. Attributes follow the second and the third.
_MARKUP = re.compile(
    rb"<!--(?:>|->|.*?-->|.*)|<(meta)(?=[\s/])|</?[A-Za-z][^\s>]*|<[!/?][^>]*>?", re.IGNORECASE | re.DOTALL
)
_ATTRIBUTE = re.compile(
    rb"[\s/]*([^\s/>=][^\s/>=]*|=[^\s/>=]*)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"'][^\s>]*)|(?=>)))?"
)


def text_of(content: bytes, content_type: str) -> str:
    """Return the text of a body; what cannot be read in it becomes U+FFFD. `content_type` may have several values."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return decode(content[len(mark) :], _known(name))
    kind, charset = read_content_type(content_type)
    return decode(content, lookup(charset) or _declared(content, kind) or UTF8)


def _known(label: str) -> Encoding:
    found = lookup(label)
    assert found is not None
    return found


def _declared(content: bytes, kind: str) -> Encoding | None:
    start = content[:SCANNED_BYTES]
    found = None
    if kind in _HTML and b"<" in start:
        found = _of_meta(start)
    if found is None and (kind in _HTML or _XML.fullmatch(kind)) and (said := _DECLARATION.match(start)):
        found = _lookup(said[1] or said[2] or b"")
    return _as_ascii_was_read(found)


def _as_ascii_was_read(found: Encoding | None) -> Encoding | None:
    """Correct a declaration that cannot be true: it was read as ASCII."""
    if found is None:
        return None
    if found.name.startswith("utf-16"):
        return UTF8
    return _known("windows-1252") if found.name == "x-user-defined" else found


def _of_meta(start: bytes) -> Encoding | None:
    """Return the first encoding that a meta element names (WHATWG HTML, "prescan a byte stream")."""
    at = 0
    while found := _MARKUP.search(start, at):
        at = found.end()
        if found[0][:2] in (b"<!", b"<?") or (found[0][:2] == b"</" and not found[0][2:3].isalpha()):
            continue
        attributes, at = _attributes(start, at)
        if found[1] and (encoding := _in_meta(attributes)):
            return encoding
    return None


def _attributes(start: bytes, at: int) -> tuple[dict[bytes, bytes], int]:
    attributes: dict[bytes, bytes] = {}
    while found := _ATTRIBUTE.match(start, at):
        value = next((each for each in found.groups()[1:] if each is not None), b"")
        attributes.setdefault(found[1].lower(), value)
        at = found.end()
    return attributes, at


def _in_meta(attributes: dict[bytes, bytes]) -> Encoding | None:
    if b"charset" in attributes:
        return _lookup(attributes[b"charset"])
    if attributes.get(b"http-equiv", b"").strip().lower() != b"content-type":
        return None
    found = _IN_CONTENT.search(attributes.get(b"content", b"").decode("latin-1"))
    return lookup(next(each for each in found.groups() if each is not None)) if found else None


def _lookup(label: bytes) -> Encoding | None:
    return lookup(label.decode("latin-1"))
