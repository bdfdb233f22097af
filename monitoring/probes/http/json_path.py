"""A small part of JSONPath (RFC 9535): `$.a.b[0]["c d"]`, one value and no queries."""

import re
from collections.abc import Sequence
from typing import Any, cast

Step = str | int

_STEP = re.compile(
    r"""\.(?P<name>[\w-]+) | \[(?P<index>-?[0-9]{1,9})\] | \["(?P<double>[^"\\]+)"\] | \['(?P<single>[^'\\]+)'\]""",
    re.VERBOSE,
)


class NotThere(LookupError):
    """A document has nothing at a path; the text says which part of the path is missing."""


def parse(path: str) -> tuple[Step, ...]:
    """Read a path. Raises ValueError, whose text says from where on it is not understood."""
    if not path.startswith("$"):
        raise ValueError(path)
    steps: list[Step] = []
    position = 1
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            raise ValueError(path[position:])
        index, name = found["index"], found["name"] or found["double"] or found["single"]
        steps.append(int(index) if index is not None else name)
        position = found.end()
    return tuple(steps)


def get(document: Any, steps: Sequence[Step]) -> Any:
    """Return the value at a path. Raises `NotThere`."""
    value: Any = document
    walked = "$"
    for step in steps:
        container = list if isinstance(step, int) else dict
        if not isinstance(value, container):
            raise NotThere(f"{walked} is {kind_of(value)}")
        try:
            value = cast(Any, value)[step]
        except (KeyError, IndexError):
            missing = f"an item [{step}]" if isinstance(step, int) else f'a member "{step}"'
            raise NotThere(f"{walked} is {kind_of(value)} without {missing}") from None
        walked += f"[{step}]" if isinstance(step, int) else f".{step}"
    return value


def equal(left: Any, right: Any) -> bool:
    """Compare two scalars as JSON does: `true` is not 1, but 1 is 1.0."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def kind_of(value: Any) -> str:
    """Name the type of a JSON value."""
    if value is None:
        return "null"
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(value), "a number")
