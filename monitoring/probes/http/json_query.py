"""Queries of python-jsonpath with a limit on their cost.

Each examined value counts, times the length of the path, so that a query ends before it delays other probes. Patterns
are matched by RE2, whose time is linear. Extensions of the library to the RFC are disabled.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import re2
from jsonpath import JSONPath, JSONPathEnvironment, JSONPathMatch, NodeList
from jsonpath.exceptions import JSONPathTypeError
from jsonpath.filter import BaseExpression, RelativeFilterQuery, RootFilterQuery, StringLiteral
from jsonpath.function_extensions import ExpressionType, FilterFunction
from jsonpath.lex import Lexer
from jsonpath.parse import Parser
from jsonpath.segments import JSONPathChildSegment, JSONPathRecursiveDescentSegment, JSONPathSegment
from jsonpath.stream import TokenStream
from jsonpath.token import TOKEN_LBRACKET, Token

EFFORT = 500_000  # for all paths of a check: values looked at, each times the weight of its path; some 50 ms
FLOOR = 20  # the weight of a path is its length and this
DEPTH = 50  # of a document that `..` walks
CHEAP = 8  # values that `..` passes over cost as much as one that it looks at
PATTERN_STEPS = 256  # steps of RE2 that cost as much as one value
ORDER = frozenset(("<", ">", "<=", ">="))
SHORT_NAME = re.compile(r"[\w-]+")


class TooCostly(Exception):
    """A path examines too much of a document, which would delay other probes; the text says which part."""


class Effort:
    """The remaining budget for the paths of one check."""

    __slots__ = ("left", "weight")

    def __init__(self, left: int = EFFORT) -> None:
        self.left = left
        self.weight = 1

    def spend(self, values: int = 1) -> None:
        self.left -= values * self.weight
        if self.left < 0:
            raise TooCostly("the path matches too many values. Name the keys instead of using *, .. and filters")


_effort: ContextVar[Effort] = ContextVar("effort")


@contextmanager
def spending(effort: Effort, weight: int) -> Iterator[None]:
    """Let queries in this block spend an effort, each value at this weight. Raises `TooCostly`."""
    effort.weight = weight
    before = _effort.set(effort)
    try:
        yield
    finally:
        _effort.reset(before)


class Node(JSONPathMatch):
    """A value in a document. Knows its parent, so that its location is written only where somebody asks."""

    __slots__ = ("key",)

    def __init__(self, obj: Any, root: Any, parent: "Node | None" = None, key: str | int = "$") -> None:
        self.obj, self.root, self.parent, self.key = obj, root, parent, key

    def new_child(self, obj: object, key: int | str) -> "Node":
        _effort.get().spend()
        return Node(obj, self.root, self, key)

    def add_child(self, *children: JSONPathMatch) -> None:
        """Store no children: they would form a reference cycle, which only the garbage collector frees."""

    def filter_context(self) -> Mapping[str, Any]:
        return {}

    @property
    def location(self) -> str:
        keys, node = list[str](), self
        while isinstance(node.parent, Node):
            keys.append(_written(node.key))
            node = node.parent
        return "$" + "".join(reversed(keys))


class Query(JSONPath):
    """A path that was read, with what each value that it looks at counts."""

    __slots__ = ("weight",)

    weight: int

    def finditer(self, data: Any, *, filter_context: Any = None) -> Sequence[Node]:
        return self.nodes(data, data)

    def nodes(self, data: Any, root: Any) -> Sequence[Node]:
        """Return what a query inside a filter finds in a value of the document `root`."""
        _effort.get().spend()
        nodes: Any = [Node(data, root)]
        for segment in self.segments:
            nodes = segment.resolve(nodes)
        return list(nodes)


class _Relative(RelativeFilterQuery):
    """`@…` in a filter, where the library differs from the RFC: `?@` holds for 0 and false, and `$` is the document."""

    __slots__ = ()

    path: Query

    def evaluate(self, context: Any) -> NodeList:
        return NodeList(self.path.nodes(context.current, context.root))


class _Descent(JSONPathRecursiveDescentSegment):
    """The descendant segment `..`, with one list of nodes to visit. The library nests a generator for each level."""

    __slots__ = ()

    def resolve(self, nodes: Iterable[JSONPathMatch]) -> Iterator[JSONPathMatch]:
        waiting: list[tuple[JSONPathMatch, int]] = []
        for node in nodes:
            waiting.append((node, 1))
            while waiting:
                each, depth = waiting.pop()
                if depth > DEPTH:
                    raise TooCostly(f"it is nested more than {DEPTH} levels deep")
                for selector in self.selectors:
                    yield from selector.resolve(each)
                below = [(each.new_child(value, key), depth + 1) for key, value in _containers(each.obj)]
                waiting += reversed(below)


def _containers(value: Any) -> Iterator[tuple[str | int, Any]]:
    """Yield the objects and lists in a value, with their keys."""
    if isinstance(value, dict | list):
        _effort.get().spend(len(value) // CHEAP)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        yield from ((key, each) for key, each in pairs if isinstance(each, dict | list))


class _Parser(Parser):
    """Makes queries that count what they cost."""

    def __init__(self, *, env: JSONPathEnvironment) -> None:
        super().__init__(env=env)
        del self.token_map[TOKEN_LBRACKET]  # a list literal in a filter, which the RFC does not allow

    def parse_query(self, stream: TokenStream) -> Iterator[JSONPathSegment]:
        for segment in super().parse_query(stream):
            is_descent = isinstance(segment, JSONPathRecursiveDescentSegment)
            kind = _Descent if is_descent else JSONPathChildSegment
            yield kind(env=self.env, token=segment.token, selectors=segment.selectors)

    def parse_absolute_query(self, stream: TokenStream) -> BaseExpression:
        stream.next()
        return RootFilterQuery(Query(env=self.env, segments=self.parse_query(stream)))

    def parse_relative_query(self, stream: TokenStream) -> BaseExpression:
        stream.next()
        return _Relative(Query(env=self.env, segments=self.parse_query(stream)))


class _Lexer(Lexer):
    # More than the RFC allows after a dot: `$.2xx` and `$.a-b` were always read.
    key_pattern = "[\u0080-\U0010ffffa-zA-Z0-9_-]+"


class _PatternFunction(FilterFunction):
    """`match` and `search`. The pattern is part of the path, which is validated before it is stored."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012
    return_type = ExpressionType.LOGICAL

    def __init__(self, *, is_whole: bool) -> None:
        self._is_whole = is_whole

    def __call__(self, value: object, pattern: str) -> bool:
        if not isinstance(value, str):
            return False
        compiled = _compiled(pattern)
        _effort.get().spend(1 + len(value) * compiled.programsize // PATTERN_STEPS)
        return bool(compiled.fullmatch(value) if self._is_whole else compiled.search(value))


class Environment(JSONPathEnvironment):
    lexer_class = _Lexer
    parser_class = _Parser

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        self.function_extensions["match"] = _PatternFunction(is_whole=True)
        self.function_extensions["search"] = _PatternFunction(is_whole=False)

    def check_well_typedness(self, token: Token, func: FilterFunction, args: list[BaseExpression]) -> None:
        super().check_well_typedness(token, func, args)
        if not isinstance(func, _PatternFunction):
            return
        try:
            _compiled(args[1].value if isinstance(args[1], StringLiteral) else "(")
        except re2.error:
            raise JSONPathTypeError("not a pattern", token=token) from None

    def getitem(self, obj: Any, key: Any) -> Any:
        return "" if isinstance(obj, str) else super().getitem(obj, key)  # the RFC slices lists only

    def is_truthy(self, obj: object) -> bool:
        _effort.get().spend()
        return super().is_truthy(obj)

    def compare(self, left: object, operator: str, right: object) -> bool:
        characters = min(len(left), len(right)) if isinstance(left, str) and isinstance(right, str) else 0
        _effort.get().spend(1 + characters // 1_000)
        are_containers = type(left) in (dict, list) and type(right) in (dict, list)
        # To the library true is 1, also within lists and objects. They have no order: `<=` means equal.
        if are_containers or (operator in ORDER and (isinstance(left, bool) or isinstance(right, bool))):
            return operator not in ("<", ">") and equal(left, right) == (operator != "!=")
        return super().compare(left, operator, right)


def equal(left: Any, right: Any) -> bool:
    """Compare two values as JSON does: `true` is not 1, but 1 is 1.0."""
    _spend_if_looking()
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(key in right and equal(left[key], right[key]) for key in left)
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _spend_if_looking() -> None:
    effort = _effort.get(None)
    if effort is not None:
        effort.spend()


def _written(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if SHORT_NAME.fullmatch(key) else f"[{json.dumps(key, ensure_ascii=False)}]"


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)
