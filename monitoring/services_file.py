"""Read `services.yaml`: what is wanted of each service, and everything that is wrong with it, by line."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from monitoring import sync
from monitoring.service_keys import FAULTS, KEPT_BY_US
from monitoring.sync import Outcome, Problem, Refused, Wanted
from monitoring.wording import did_you_mean, shown
from monitoring.yaml_lines import Unreadable, compose, construct, line_of

ROOT = "services"
NAMES = frozenset({"name", "display_name"})


def sync_file(raw: bytes) -> Outcome:
    """Make the services what the file says. Raises `Refused` with all problems, and then nothing is changed."""
    reading = read(raw)
    if reading.is_broken:
        raise Refused(reading.problems)
    return sync.sync(reading.wanted, reading.problems)


@dataclass(slots=True, kw_only=True)
class Reading:
    """What a file says: the services, also those with problems, so that the model can add what it finds."""

    wanted: list[Wanted] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    is_broken: bool = False  # the file as a whole: there are no services to look at


def read(raw: bytes) -> Reading:
    """Read the whole file and go on after each problem."""
    reading = Reading()
    try:
        nodes = _service_nodes(compose(raw), reading.problems)
    except Unreadable as error:
        return Reading(problems=[Problem(line=error.line, key="YAML", what=f"{error.what}.")], is_broken=True)
    seen: dict[str, int] = {}
    for node in nodes or ():
        reading.wanted.append(_wanted(node, seen, reading.problems))
    reading.is_broken = nodes is None
    return reading


def _service_nodes(root: yaml.Node | None, problems: list[Problem]) -> list[yaml.Node] | None:
    """Return the items of the list under `services:`, None where there is no such list."""
    example = "Begin with `services:` and write one `- id: …` below it for each service."
    if not isinstance(root, yaml.MappingNode):
        problems.append(Problem(line=1, key=ROOT, what=f"the file has no such key. {example}"))
        return None
    for key, _value in root.value:
        if key.value != ROOT:
            what = f"this key is not known here. {did_you_mean(str(key.value), [ROOT])}The file has `services:` only."
            problems.append(Problem(line=line_of(key), key=_key_text(key), what=what))
    lists = [(key, value) for key, value in root.value if key.value == ROOT]
    for key, _value in lists[1:]:
        problems.append(Problem(line=line_of(key), key=ROOT, what="it is there twice. Make one list of both."))
    if not lists or not isinstance(lists[0][1], yaml.SequenceNode):
        line = line_of(lists[0][1]) if lists else 1
        problems.append(Problem(line=line, key=ROOT, what=f"there is no list under it. {example}"))
        return None
    return list(lists[0][1].value)


def _wanted(node: yaml.Node, seen: dict[str, int], problems: list[Problem]) -> Wanted:
    """Read one service; `seen` has the line of each id so far."""
    found: list[Problem] = []
    if not isinstance(node, yaml.MappingNode):
        what = f"{_written(node)} is not a service. Write `- id: …` and the other keys below it."
        problems.append(Problem(line=line_of(node), key=ROOT, what=what))
        return Wanted(id="", values={}, line=line_of(node), refused=frozenset(sync.COLUMNS))
    values = dict(_values(node, found))
    lines = {_key_text(key): line_of(value) for key, value in node.value}
    found += _missing(lines, line_of(node))
    id = values.pop("id", "")
    if id and id in seen:
        what = f"{shown(id)} is the id of the service in line {seen[id]} too. Each service has an id of its own."
        found.append(Problem(line=lines["id"], key="id", what=what))
    elif id:
        seen[id] = lines["id"]
    problems += found
    refused = frozenset(problem.key for problem in found)
    if refused & NAMES:  # one follows the other, and so would its problem
        refused |= NAMES
    return Wanted(id=id, values=values, line=line_of(node), lines=lines, refused=refused)


def _missing(lines: dict[str, int], line: int) -> Iterator[Problem]:
    if "id" not in lines:
        yield Problem(
            line=line, key="id", what="it is missing. Give the service a short name of its own, like payments."
        )
    if "endpoint_url" not in lines:
        yield Problem(line=line, key="endpoint_url", what="it is missing. Write the URL that is to be checked.")
    if not lines.keys() & {"name", "display_name"}:
        yield Problem(line=line, key="name", what="it is missing. Write name or display_name; one follows the other.")


def _values(node: yaml.MappingNode, problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    """Yield the keys that are known and whose values have the right type; note what is wrong with the others."""
    count: Counter[str] = Counter()
    for key_node, value_node in node.value:
        key = _key_text(key_node)
        count[key] += 1
        line, fault, value = line_of(key_node), _key_fault(key, count[key]), None
        if fault is None:
            line = line_of(value_node)
            try:
                value = construct(value_node)
                fault = FAULTS[key](value, _written(value_node))
            except Unreadable as error:
                line, fault = error.line, f"{_written(value_node)}: {error.what}."
        if fault is None:
            yield key, value
        else:
            problems.append(Problem(line=line, key=key, what=fault))


def _key_fault(key: str, count: int) -> str | None:
    if key in KEPT_BY_US:
        return "the monitor keeps this by itself. Leave the line out."
    if key not in FAULTS:
        return f"this key is not known. {did_you_mean(key, FAULTS)}Known are {', '.join(FAULTS)}."
    return "it is there twice in this service. Keep one of them." if count > 1 else None


def _written(node: yaml.Node) -> str:
    """Return a value as it stands in the file: `yes`, not true."""
    if not isinstance(node, yaml.ScalarNode):
        return "the list" if isinstance(node, yaml.SequenceNode) else "the mapping"
    return shown(node.value) if node.style in ("'", '"') else shown(node.value)[1:].removesuffix('"')


def _key_text(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else "a key that is no text"
