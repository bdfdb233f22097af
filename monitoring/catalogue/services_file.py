"""Read `services.yaml`: the wanted settings of each service, and all problems with their lines."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml
from django.db import transaction
from django.utils import timezone

from monitoring.catalogue import sync
from monitoring.catalogue.sections import sections
from monitoring.catalogue.service_keys import COLUMN_OF, FAULTS, key_fault, kind_fault, missing, refused_columns
from monitoring.catalogue.sync import Outcome, Problem, Refused, Wanted
from monitoring.config.as_written import as_text, check_value
from monitoring.config.check_settings import DEFAULT_KIND, PREFIX
from monitoring.config.file_variables import CHECK, fill_in, sealed_check
from monitoring.config.yaml_lines import Path, Unreadable, compose, construct, line_of, lines_below
from monitoring.probes.suggestions import did_you_mean, shown

ROOT = "services"
OF_PEOPLE = "x-"  # keys with this beginning hold anchors for other places, as in files of Docker Compose


Progress = Callable[[str, int, int], None]  # the step, how many are done, of how many


def sync_file(
    raw: bytes,
    *,
    variables: Mapping[str, str] | None = None,
    prune: bool = False,
    is_dry: bool = False,
    progress: Progress = sync.no_progress,
) -> Outcome:
    """Change the services as the file says; `variables` fill its placeholders (None: the environment).

    Raises `Refused` with all problems; in that case nothing is changed.
    """
    reading = read(raw, os.environ if variables is None else variables, progress)
    if prune and not reading.is_broken and not reading.wanted:
        what = "the file contains no services, and --prune would archive all of them. List the services to keep."
        reading.problems.append(Problem(line=1, key=ROOT, what=what))
    if reading.is_broken:
        raise Refused(reading.problems)
    wanted = {key: sections[key].read(items, reading.problems) for key, items in reading.sections.items()}
    if not wanted:
        return sync.sync(reading.wanted, reading.problems, prune=prune, is_dry=is_dry, progress=progress)
    with transaction.atomic():
        outcome = sync.sync(reading.wanted, reading.problems, prune=prune, progress=progress)
        now = timezone.now()
        others = [sections[key].apply(each, prune=prune, now=now) for key, each in wanted.items()]
        # A section may name services that only this file creates, so a dry run does everything, and undoes it.
        transaction.set_rollback(is_dry)
    return replace(
        outcome, sections=others, warnings=[*outcome.warnings, *(w for each in others for w in each.warnings)]
    )


@dataclass(slots=True, kw_only=True)
class Reading:
    """The content of a file. Includes services with problems, so that the model can report further ones."""

    wanted: list[Wanted] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    sections: dict[str, list[yaml.Node]] = field(default_factory=dict)  # the items of further lists, by key
    is_broken: bool = False  # the file as a whole: there are no services to validate


def read(raw: bytes, variables: Mapping[str, str], progress: Progress = sync.no_progress) -> Reading:
    """Read the whole file, and continue after each problem."""
    reading = Reading()
    try:
        root = compose(raw)
    except Unreadable as error:
        return Reading(problems=[Problem(line=error.line, key="YAML", what=f"{error.what}.")], is_broken=True)
    nodes = _service_nodes(root, reading.problems)
    reading.sections = _section_nodes(root, reading.problems)
    seen: dict[str, int] = {}
    for number, node in enumerate(nodes or (), 1):
        reading.wanted.append(_wanted(node, seen, variables, reading.problems))
        progress("read", number, len(nodes or ()))
    reading.is_broken = nodes is None
    return reading


def _service_nodes(root: yaml.Node | None, problems: list[Problem]) -> list[yaml.Node] | None:
    """Return the items of the list under `services:`; None if there is no such list."""
    example = "Begin with `services:`, followed by one `- id: …` for each service."
    if not isinstance(root, yaml.MappingNode):
        problems.append(Problem(line=1, key=ROOT, what=f"the file has no such key. {example}"))
        return None
    for key, _value in root.value:
        if _key_text(key) not in (ROOT, *sections) and not _key_text(key).startswith(OF_PEOPLE):
            meant = did_you_mean(str(key.value), [ROOT, *sections])
            what = f"unknown key. {meant}The file has `services:`, and keys of yours that begin with {OF_PEOPLE}."
            problems.append(Problem(line=line_of(key), key=_key_text(key), what=what))
    lists = [(key, value) for key, value in root.value if key.value == ROOT]
    for key, _value in lists[1:]:
        problems.append(Problem(line=line_of(key), key=ROOT, what="it is listed twice. Merge the two lists."))
    if not lists or not isinstance(lists[0][1], yaml.SequenceNode):
        line = line_of(lists[0][1]) if lists else 1
        problems.append(Problem(line=line, key=ROOT, what=f"there is no list under it. {example}"))
        return None
    return list(lists[0][1].value)


def _section_nodes(root: yaml.Node | None, problems: list[Problem]) -> dict[str, list[yaml.Node]]:
    """Return the items of the further lists that the file has."""
    found: dict[str, list[yaml.Node]] = {}
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        name = _key_text(key)
        if name not in sections:
            continue
        if name in found:
            problems.append(Problem(line=line_of(key), key=name, what="it is listed twice. Merge the two lists."))
        elif not isinstance(value, yaml.SequenceNode):
            what = "there is no list under it. Enter `- id: …` for each item, or remove the key."
            problems.append(Problem(line=line_of(key), key=name, what=what))
        else:
            found[name] = list(value.value)
    return found


def _wanted(node: yaml.Node, seen: dict[str, int], variables: Mapping[str, str], problems: list[Problem]) -> Wanted:
    """Read one service; `seen` has the line of each id so far."""
    found: list[Problem] = []
    if not isinstance(node, yaml.MappingNode):
        what = f"{_written(node)} is not a service. Enter `- id: …` with the other keys below it."
        problems.append(Problem(line=line_of(node), key=ROOT, what=what))
        return Wanted(id="", values={}, line=line_of(node), refused=frozenset(sync.COLUMNS))
    templates: dict[Path, str] = {}
    values = dict(_values(node, variables, templates, found))
    lines = {path: line for key, value in node.value for path, line in lines_below(value, _key_text(key))}
    refused = {problem.key.partition(".")[0] for problem in found}
    kind = _kind_of(values, lines, found)
    if kind is not None and "check" not in refused:
        settings = {key: value for key, value in values["check"].items() if key != "kind"}
        values |= {"kind": kind, "check_settings": sealed_check(kind, settings, templates)}
    values.pop("check", None)
    line = line_of(node)
    found += [Problem(line=line, key=key, what=what) for key, what in missing(lines, kind or DEFAULT_KIND)]
    id = values.pop("id", "")
    if id and id in seen:
        what = f"{shown(id)} is the id of the service in line {seen[id]} too. Ids must be unique."
        found.append(Problem(line=lines["id"], key="id", what=what))
    elif id:
        seen[id] = lines["id"]
    problems += found
    return Wanted(
        id=id,
        values={COLUMN_OF.get(key, key): value for key, value in values.items()},
        line=line,
        lines=lines,
        refused=frozenset(refused_columns([problem.key for problem in found])),
    )


def _kind_of(values: Mapping[str, Any], lines: Mapping[str, int], problems: list[Problem]) -> str | None:
    """Return the kind of the check; None if the check is missing or its kind unknown."""
    if "check" not in values:
        return None
    kind = values["check"].get("kind", DEFAULT_KIND)
    fault = kind_fault(kind)
    if fault is None:
        return str(kind)
    problems.append(Problem(line=lines.get(f"{PREFIX}kind", 0), key=f"{PREFIX}kind", what=fault))
    return None


def _values(
    node: yaml.MappingNode, variables: Mapping[str, str], templates: dict[Path, str], problems: list[Problem]
) -> Iterator[tuple[str, Any]]:
    """Yield the known keys with values of the right type, and record the problems of the others.

    Fills placeholders first, and adds the original texts to `templates`.
    """
    count: Counter[str] = Counter()
    for key_node, value_node in node.value:
        key = _key_text(key_node)
        count[key] += 1
        line, fault, value = line_of(key_node), key_fault(key), None
        if fault is None and count[key] > 1:
            fault = "it is listed twice in this service. Keep one of them."
        if fault is None:
            line, written = line_of(value_node), _written(value_node)
            filling = fill_in(value_node, key, variables)
            templates |= filling.templates
            if filling.problems:
                problems += (Problem(line=at, key=path, what=what) for at, path, what in filling.problems)
                continue
            try:
                value, fault = _value(key, value_node, written)
            except Unreadable as error:
                line, fault = error.line, f"{written}: {error.what}."
        if fault is None:
            yield key, value
        else:
            problems.append(Problem(line=line, key=key, what=fault))


def _value(key: str, node: yaml.Node, written: str) -> tuple[Any, str | None]:
    """Return the value of a key and its fault. Where text is expected, plain values are text as they are written."""
    value = check_value(node) if key == CHECK else construct(node)
    fault = FAULTS[key](value, written)
    if fault is not None and not isinstance(node, yaml.MappingNode) and as_text(node):
        text = construct(node)
        return (text, None) if FAULTS[key](text, written) is None else (value, fault)
    return value, fault


def _written(node: yaml.Node) -> str:
    """Return a value as written in the file: `yes`, not true."""
    if not isinstance(node, yaml.ScalarNode):
        return "the list" if isinstance(node, yaml.SequenceNode) else "the mapping"
    return shown(node.value) if node.style in ("'", '"') else shown(node.value)[1:].removesuffix('"')


def _key_text(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else "a key that is not text"
