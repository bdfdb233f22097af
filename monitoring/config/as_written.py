"""Keep plain values as they are written where text is expected: `1.20`, `0123`, `1e3`, `~`.

Nothing says a second time where text is expected: a plain value that is refused as a number, true, false or null, and
accepted as text, is text.
"""

import json
import math
from collections.abc import Collection
from typing import Any

import yaml

from monitoring.config.file_variables import dotted
from monitoring.config.yaml_core import BOOL, FLOAT, INT, NULL, TEXT, Constructor
from monitoring.config.yaml_lines import Unreadable, construct, line_of, scalars
from monitoring.probes import KINDS
from monitoring.probes.settings import Described, Notes, Problem, described

NOTHING = frozenset({"", "null", "Null", "NULL"})  # never text, unless in quotes


def as_text(node: yaml.Node, keys: Collection[str] = ("",)) -> bool:
    """Turn the plain values at or below keys of a node into text, in place; return whether there were any."""
    has_changed = False
    for path, scalar in scalars(node):
        is_below = any(not key or f"{dotted(path)}.".startswith(f"{key}.") for key in keys)
        if is_below and scalar.tag in (NULL, BOOL, INT, FLOAT) and not scalar.style and scalar.value not in NOTHING:
            scalar.tag, has_changed = TEXT, True
    return has_changed


def check_value(node: yaml.Node) -> Any:
    """Return the value of `check:`. Raises `Unreadable`."""
    if not isinstance(node, yaml.MappingNode):
        return construct(node)
    kind = next((value.value for key, value in node.value if key.value == "kind"), "http")
    known = KINDS.get(kind) if isinstance(kind, str) else None
    fields = {each.name: each for each in described(known.settings)} if known else {}  # type: ignore[arg-type]
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value in fields:
            setting_value(fields[key.value], value)
    return construct(node)


def setting_value(each: Described, node: yaml.Node) -> Any:
    """Return the value of a setting; plain values that its reader takes as text only are text. Raises `Unreadable`."""
    if each.name == "json_equals":
        _refuse_ambiguous(node)
    value = construct(node)
    problems = _problems(each, value)
    if not problems:
        return value
    tags = {id(scalar): (scalar, scalar.tag) for _path, scalar in scalars(node)}
    if as_text(node, [problem.key.partition(".")[2] for problem in problems]):
        text = construct(node)
        if len(_problems(each, text)) < len(problems):
            return text
        for scalar, tag in tags.values():
            if not _is_spelled_otherwise(scalar, tag):  # otherwise the text is refused, which shows what is written
                scalar.tag = tag
    return construct(node)


def _problems(each: Described, value: Any) -> list[Problem]:
    notes = Notes(each.name)
    if value is not None:
        each.reader(value, notes)
    elif each.default is not None:  # which has no other value that means nothing
        notes.add("it is empty. Enter a value, or remove the line.", None)
    return notes.problems


def _refuse_ambiguous(node: yaml.Node) -> None:
    """Refuse a number that JSON could have as text, too; what no JSON number looks like is text."""
    for path, scalar in scalars(node):
        if path[-1:] != ("value",) or not _is_spelled_otherwise(scalar, scalar.tag):
            continue
        number = _number(scalar.value)
        if number is None:
            scalar.tag = TEXT
            continue
        if not math.isfinite(number):
            what = f'{scalar.value} is too large for a number. Write "{scalar.value}" if it is text'
            raise Unreadable(line_of(scalar), what)
        what = f"{scalar.value} may be the number {json.dumps(number)} or text. Write {json.dumps(number)} or"
        raise Unreadable(line_of(scalar), f'{what} "{scalar.value}"')


def _is_spelled_otherwise(scalar: yaml.ScalarNode, tag: str) -> bool:
    """Return whether a plain number is written in another way than we would write it."""
    if tag not in (INT, FLOAT) or scalar.style:
        return False
    try:
        value = Constructor().construct_object(yaml.ScalarNode(tag, scalar.value))
    except (ValueError, yaml.YAMLError):
        return True
    return str(scalar.value) != str(value)


def _number(text: str) -> Any:
    """Return the number that JSON reads; None if it reads none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
