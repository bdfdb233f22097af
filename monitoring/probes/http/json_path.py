"""Look values up in JSON by a path (RFC 9535). Operators write the paths, and their targets the documents."""

from collections.abc import Sequence
from typing import Any

from jsonpath.exceptions import JSONPathError
from jsonpath.segments import JSONPathSegment
from jsonpath.selectors import IndexSelector, NameSelector

from monitoring.probes.failures import printable
from monitoring.probes.http.json_query import FLOOR, Effort, Environment, Node, Query, TooCostly, spending

PATH_BYTES = 500

_environment = Environment(strict=True, filter_caching=False)  # it copies a filter for each value that it is asked of


class NotThere(LookupError):
    """A document has no value at a path; the text has the missing part of the path."""


def parse(path: str) -> Query:
    """Parse a path. Raises ValueError with the rest of the path that cannot be parsed."""
    try:
        query = Query(env=_environment, segments=_environment.compile(path).segments)  # type: ignore[union-attr]
    except JSONPathError as error:
        at = error.token.index if error.token is not None else 0
        raise ValueError(path[at:] if at >= 0 else path[-1:]) from None
    except (ValueError, OverflowError, RecursionError):  # a number of thousands of digits
        raise ValueError(path) from None
    query.weight = FLOOR + len(path)
    return query


def find(document: Any, query: Query, effort: Effort) -> Sequence[Node]:
    """Return the values at a path, at least one. Raises `NotThere` and `TooCostly`."""
    nodes: Sequence[Any] = [Node(document, document)]
    try:
        with spending(effort, query.weight):
            for segment in query.segments:
                found = list(segment.resolve(nodes))
                if not found:
                    raise NotThere(_missing(nodes, segment))
                nodes = found
    except RecursionError:
        raise TooCostly("the path is nested too deeply") from None
    return nodes


def _missing(nodes: Sequence[Node], segment: JSONPathSegment) -> str:
    """Return the part of a segment that has no match."""
    node, selector = nodes[0], segment.selectors[0]
    where = printable(node.location)
    if len(nodes) > 1 or len(segment.selectors) > 1 or not isinstance(selector, NameSelector | IndexSelector):
        more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
        return f"nothing in {where}{more} fits {segment}"
    container, missing = (
        (list, f"an item [{selector.index}]")
        if isinstance(selector, IndexSelector)
        else (dict, f'a member "{selector.name}"')
    )
    kind = kind_of(node.obj)
    return f"{where} is {kind} without {missing}" if isinstance(node.obj, container) else f"{where} is {kind}"


def kind_of(value: Any) -> str:
    """Return the name of a JSON value's type."""
    if value is None:
        return "null"
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(value), "a number")
