"""Read YAML with the line of every value, and refuse documents that could exhaust the parser.

There are two passes over the text. The first one sees only events, so that deep nesting is refused before any
recursion. libyaml, if PyYAML was built with it, is ten times faster than Python and marks lines as well.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from monitoring.config.yaml_aliases import TooMuch, expanded
from monitoring.config.yaml_core import Constructor, Loader, resolve

MAX_BYTES = 16 * 1024 * 1024  # about 40,000 services
MAX_DEPTH = 20
LONGEST_KEY = 100  # of a path; a key of a megabyte with many others below it would be copied for each
OPENING = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
CLOSING = (yaml.MappingEndEvent, yaml.SequenceEndEvent)

Path = tuple[str | int, ...]


class Unreadable(Exception):
    """The text is not YAML that we accept; has the line of the problem."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"{line}: {what}")
        self.line, self.what = line, what


def compose(raw: bytes) -> yaml.Node | None:
    """Return the root of the only document; None if the text is empty. Raises `Unreadable`."""
    text = _decoded(raw)
    try:
        has_aliases = _looked_through(text)
        root: yaml.Node | None = yaml.compose(text, Loader=Loader)
        return expanded(root, MAX_DEPTH) if root is not None and (has_aliases or "<<" in text) else root
    except TooMuch as error:
        raise Unreadable(line_of(error.node), str(error)) from error
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error) from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise Unreadable(_line_at(text, getattr(error, "position", 0)), str(error).splitlines()[0]) from error


def construct(node: yaml.Node) -> Any:
    """Return the value of a node in plain Python types. Raises `Unreadable`."""
    for duplicate in _duplicates(node):
        raise Unreadable(line_of(duplicate), f"the key {duplicate.value} is listed twice")
    try:
        return Constructor().construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error) from error
    except (ValueError, OverflowError) as error:  # a number of ten thousand digits
        raise Unreadable(line_of(node), f"it cannot be read: {error}. Put it in quotes if it is text") from error


def scalars(node: yaml.Node, path: Path = ()) -> Iterator[tuple[Path, yaml.ScalarNode]]:
    """Yield every scalar at and below a node with its path of keys and positions in lists."""
    if isinstance(node, yaml.ScalarNode):
        yield path, node
    elif isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield from scalars(item, (*path, place))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from scalars(value, (*path, key.value if isinstance(key, yaml.ScalarNode) else ""))


def lines_below(node: yaml.Node, path: str) -> Iterator[tuple[str, int]]:
    """Yield the line of a node and of all keys below it, with the keys joined by dots."""
    yield path, line_of(node)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield from lines_below(value, f"{path}.{key.value[:LONGEST_KEY]}")


def refill(node: yaml.ScalarNode, text: str, *, is_text: bool) -> None:
    """Replace the text of a scalar; without quotes, it becomes a number if the text is one, unless `is_text`."""
    node.value = text
    if not node.style and not is_text:  # libyaml has "", Python has None
        node.tag = resolve(text)


def line_of(part: yaml.Node | yaml.Event) -> int:
    return part.start_mark.line + 1 if part.start_mark else 0


def _decoded(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise Unreadable(1, f"more than {MAX_BYTES // 1024 // 1024} MiB cannot be read. Split the file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(
            raw.count(b"\n", 0, error.start) + 1, "it is not UTF-8 text. Save the file as UTF-8"
        ) from error


def _looked_through(text: str) -> bool:
    """Refuse a text that is nested too deeply; return whether it has aliases."""
    depth, has_aliases = 0, False
    for event in yaml.parse(text, Loader=Loader):
        depth += isinstance(event, OPENING) - isinstance(event, CLOSING)
        has_aliases = has_aliases or isinstance(event, yaml.AliasEvent)
        if depth > MAX_DEPTH:
            raise Unreadable(line_of(event), f"it is nested more than {MAX_DEPTH} levels deep")
    return has_aliases


def _duplicates(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield the duplicate keys of a mapping at or below a node; in YAML, the last one would win."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _duplicates(item)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key
                seen.add(key.value)
            yield from _duplicates(value)


def _unreadable(error: yaml.MarkedYAMLError) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return Unreadable(mark.line + 1 if mark else 1, what or "it cannot be read")


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
