"""Read and write plain values by the core schema of YAML 1.2 (10.3.2), where `on`, `12:30` and `2025-01-01` are text.

PyYAML reads YAML 1.1, in which they are true, 750 and a date. Merge keys (`<<`), which only 1.1 has, are kept.
"""

import re
from typing import Any, ClassVar

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.resolver import BaseResolver, Resolver

NULL, BOOL, INT, FLOAT, TEXT, MERGE = (
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "merge")
)
PATTERNS = (  # the first characters, what they begin
    (NULL, re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    (BOOL, re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    (INT, re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"), list("-+0123456789")),
    (
        FLOAT,
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
        list("-+.0123456789"),
    ),
    (MERGE, re.compile(r"<<\Z"), ["<"]),
)


class CoreResolver(BaseResolver):
    """The tags of plain values."""


for _tag, _pattern, _first in PATTERNS:
    CoreResolver.add_implicit_resolver(_tag, _pattern, _first)
RESOLVER: Any = CoreResolver()


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # one of two, as PyYAML was built
    """A fast loader that knows the tags above instead of those of YAML 1.1."""

    yaml_implicit_resolvers = CoreResolver.yaml_implicit_resolvers


class Constructor(SafeConstructor):
    """Make values of the tags above, and refuse others. A key is always text, as JSON has no other keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        for key, _value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConstructorError(None, None, "a key is a list or a mapping, not text", key.start_mark)
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}

    def construct_yaml_null(self, node: Any) -> None:
        _require(node, NULL)

    def construct_yaml_bool(self, node: Any) -> bool:
        return _require(node, BOOL).lower() == "true"

    def construct_yaml_int(self, node: Any) -> int:
        text = _require(node, INT)
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))

    def construct_yaml_float(self, node: Any) -> float:
        text = node.value if resolve(str(node.value)) == INT else _require(node, FLOAT)
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))

    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        NULL: construct_yaml_null,
        BOOL: construct_yaml_bool,
        INT: construct_yaml_int,
        FLOAT: construct_yaml_float,
        TEXT: SafeConstructor.construct_yaml_str,
        MERGE: SafeConstructor.construct_yaml_str,  # not a key, so it is text
        "tag:yaml.org,2002:seq": SafeConstructor.construct_yaml_seq,
        "tag:yaml.org,2002:map": SafeConstructor.construct_yaml_map,
        None: SafeConstructor.construct_undefined,
    }


class Dumper(yaml.SafeDumper):
    """Write text in quotes where YAML 1.1 or 1.2 would read it as something else, and write no aliases."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # as PyYAML declares it
        first: [*Resolver.yaml_implicit_resolvers.get(first, ()), *CoreResolver.yaml_implicit_resolvers.get(first, ())]
        for first in {*Resolver.yaml_implicit_resolvers, *CoreResolver.yaml_implicit_resolvers}
    }

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Dumper, text: str) -> yaml.Node:
    # Quoted and escaped: otherwise a Unicode line break would be read back as a space.
    style = None if text.replace("\n", "").isprintable() else '"'
    return dumper.represent_scalar(TEXT, text, style=style)


Dumper.add_representer(str, _represent_text)


def dump(value: Any, *, on_one_line: bool = False, width: int = 120) -> str:
    """Return a value as YAML that is read back as the same."""
    return str(
        yaml.dump(
            value, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=width, default_flow_style=on_one_line
        )
    )


def resolve(text: str) -> str:
    """Return the tag of a plain value."""
    return str(RESOLVER.resolve(yaml.ScalarNode, text, (True, False)))


def _require(node: Any, tag: str) -> str:
    """Return the text of a value whose tag was written out, if it is one of that tag."""
    if not isinstance(node, yaml.ScalarNode) or resolve(node.value) != tag:
        raise ConstructorError(None, None, f"it is not of the type {tag.rpartition(':')[2]}", node.start_mark)
    return str(node.value)
