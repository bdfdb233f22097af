"""Write out the aliases and merge keys of a document, so that each place has nodes of its own.

Values are changed in place later (filled from the environment, or kept as text), which must not reach other places.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from monitoring.config.yaml_core import MERGE

MOST_NODES = 1_000_000  # as many as the largest file has; more would be a bomb ("billion laughs")


class TooMuch(Exception):
    """A document is too large or too deep once its aliases are written out."""

    def __init__(self, node: yaml.Node, what: str) -> None:
        super().__init__(what)
        self.node = node


def expanded(root: yaml.Node, most_deep: int) -> yaml.Node:
    """Return a copy of a tree without aliases and merge keys. Raises `TooMuch`."""
    return _Copying(most_deep).copy(root, 0)


@dataclass(slots=True)
class _Copying:
    most_deep: int
    copied: int = 0
    above: set[int] = field(default_factory=set)  # of the node being copied

    def copy(self, node: yaml.Node, depth: int) -> yaml.Node:
        self.copied += 1
        if self.copied > MOST_NODES:
            raise TooMuch(node, f"it has more than {MOST_NODES} values once its aliases are written out")
        if depth > self.most_deep:
            raise TooMuch(node, f"it is nested more than {self.most_deep} levels deep")
        if isinstance(node, yaml.ScalarNode):
            return yaml.ScalarNode(node.tag, node.value, node.start_mark, node.end_mark, node.style)
        if id(node) in self.above:
            raise TooMuch(node, "an alias in it leads back to itself. Write the value instead")
        self.above.add(id(node))
        make: Any = type(node)
        copy: yaml.Node = make(node.tag, [], node.start_mark, node.end_mark)
        if isinstance(node, yaml.MappingNode):
            pairs = ((self.copy(key, depth + 1), self.copy(value, depth + 1)) for key, value in node.value)
            copy.value = list(_merged(copy, list(pairs)))
        else:
            copy.value = [self.copy(item, depth + 1) for item in node.value]
        self.above.remove(id(node))
        return copy


def _merged(node: yaml.Node, pairs: list[tuple[yaml.Node, yaml.Node]]) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Yield the pairs of a mapping, with those of `<<` that it doesn't have itself; the first of several wins."""
    own = [pair for pair in pairs if pair[0].tag != MERGE]
    seen = {key.value for key, _value in own if isinstance(key, yaml.ScalarNode)}
    yield from own
    for key, value in pairs:
        if key.tag != MERGE:
            continue
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if not isinstance(source, yaml.MappingNode):
                raise TooMuch(key, "<< is followed by something other than a mapping. Write `<<: *name`")
            for pair in source.value:
                name = pair[0].value if isinstance(pair[0], yaml.ScalarNode) else ""
                if name not in seen:
                    seen.add(name)
                    yield pair
