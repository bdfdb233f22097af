"""`maintenance:` in a services file: plans by id, created and changed as the file says."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import yaml
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import translation

from incidents.maintenance import acts, planning
from incidents.models import MaintenancePlan
from monitoring.catalogue.planned import Problem, Refused
from monitoring.catalogue.sections import SectionOutcome
from monitoring.config.yaml_core import dump
from monitoring.config.yaml_lines import Unreadable, construct, line_of
from monitoring.models import Service
from monitoring.models.services import SLUG
from monitoring.probes.suggestions import did_you_mean, shown

START = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of an item: the column, how its value is checked, and what it must be."""

    column: str
    is_right: Callable[[Any], bool]
    must_be: str
    is_needed: bool = False


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**6


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_start(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.strptime(value, START))  # noqa: DTZ007  wall time
    except ValueError:
        return False


def _are_translations(value: Any) -> bool:
    return isinstance(value, dict) and all(
        code in dict(settings.LANGUAGES)
        and isinstance(words, dict)
        and all(name in ("title", "description") and _is_text(text) for name, text in words.items())
        for code, words in value.items()
    )


def _is_title(value: Any) -> bool:
    return _is_text(value) and len(value) <= 200


KEYS = {
    "id": Key(
        column="slug",
        is_right=lambda value: _is_text(value) and re.match(SLUG, value) is not None and len(value) <= 100,
        must_be="lowercase letters, digits and single hyphens, for example patch-day",
        is_needed=True,
    ),
    "title": Key(column="title", is_right=_is_title, must_be="text of at most 200 characters", is_needed=True),
    "description": Key(column="description", is_right=_is_text, must_be="text"),
    "translations": Key(
        column="translations",
        is_right=_are_translations,
        must_be="titles and descriptions by language, as {ko: {title: …}}",
    ),
    "all": Key(column="covers_all", is_right=lambda value: isinstance(value, bool), must_be="true or false"),
    "services": Key(column="services", is_right=_are_texts, must_be="a list of ids of services"),
    "groups": Key(column="groups", is_right=_are_texts, must_be="a list of groups"),
    "start": Key(column="start", is_right=_is_start, must_be="a time such as 2027-03-02 02:00", is_needed=True),
    "zone": Key(column="zone", is_right=_is_text, must_be="a time zone such as Europe/Berlin", is_needed=True),
    "duration": Key(column="duration_minutes", is_right=_is_number, must_be="a number of minutes", is_needed=True),
    "rrule": Key(column="rrule", is_right=_is_text, must_be="a rule such as FREQ=WEEKLY;BYDAY=SU"),
    "announce": Key(
        column="announce_hours",
        is_right=lambda value: _is_number(value) and 0 <= value <= 2160,
        must_be="a number of hours from 0 to 2160",
    ),
    "ends_by_hand": Key(column="ends_by_hand", is_right=lambda value: isinstance(value, bool), must_be="true or false"),
}
KEY_OF = {
    **{key.column: name for name, key in KEYS.items()},
    "starts_on": "start",
}
COLUMNS = (
    "title",
    "description",
    "title_translations",
    "description_translations",
    "covers_all",
    "groups",
    "starts_on",
    "wall_time",
    "zone",
    "duration_minutes",
    "rrule",
    "announce_hours",
    "ends_by_hand",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPlan:
    values: Mapping[str, Any]  # by key of the file
    line: int
    lines: Mapping[str, int]

    def problem(self, column: str, what: str) -> Problem:
        key = KEY_OF.get(column, "id")
        return Problem(line=self.lines.get(key, self.line), key=f"maintenance.{key}", what=what)


class MaintenanceSection:
    key = "maintenance"

    def read(self, items: Sequence[yaml.Node], problems: list[Problem]) -> list[WantedPlan]:
        wanted: list[WantedPlan] = []
        seen: dict[str, int] = {}
        for node in items:
            found = _read(node, problems)
            id = found.values.get("id", "")
            if id and id in seen:
                what = f"{shown(id)} is the id of the plan in line {seen[id]} too. Ids must be unique."
                problems.append(found.problem("slug", what))
            seen.setdefault(id, found.line)
            wanted.append(found)
        return wanted

    def apply(self, wanted: Sequence[WantedPlan], *, prune: bool, now: datetime) -> SectionOutcome:
        problems: list[Problem] = []
        created: list[str] = []
        updated: dict[str, list[str]] = {}
        removed: list[str] = []
        warnings: list[Problem] = []
        unchanged = 0
        with translation.override("en"):  # the language of the other messages about a file
            for each in wanted:
                id = each.values["id"]
                stored = MaintenancePlan.objects.filter(slug=id).first()
                if stored is not None and stored.cancelled_at is not None:
                    what = f"{shown(id)} was cancelled, and stays so. Choose another id to plan it again."
                    warnings.append(each.problem("slug", what))
                    unchanged += 1
                    continue
                differences = _store(each, stored, now, problems)
                if stored is None:
                    created.append(id)
                elif differences:
                    updated[id] = differences
                else:
                    unchanged += 1
            if problems:
                raise Refused(sorted(problems))
            named = [each.values["id"] for each in wanted]
            for plan in MaintenancePlan.objects.filter(slug__isnull=False, cancelled_at=None).exclude(slug__in=named):
                if prune:
                    acts.cancel(plan.pk, by=None, now=now, zone=settings.PAGE_TIME_ZONE)
                    removed.append(str(plan.slug))
        return SectionOutcome(
            key=self.key, created=created, updated=updated, unchanged=unchanged, removed=removed, warnings=warnings
        )

    def export(self) -> Iterator[str]:
        """Yield the plans that came from a file and have dates to come."""
        open_ones = MaintenancePlan.objects.filter(
            slug__isnull=False, cancelled_at=None, occurrences__ended_at=None, occurrences__cancelled_at=None
        )
        plans = list(open_ones.distinct().order_by("slug").prefetch_related("services"))
        if plans:
            yield f"{self.key}:\n"
            yield dump([_written(plan) for plan in plans])


def _read(node: yaml.Node, problems: list[Problem]) -> WantedPlan:
    """Read one plan; keys with a problem are left out."""
    if not isinstance(node, yaml.MappingNode):
        what = "this is not a plan. Enter `- id: …` with the other keys below it."
        problems.append(Problem(line=line_of(node), key="maintenance", what=what))
        return WantedPlan(values={}, line=line_of(node), lines={})
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        name, line = str(key_node.value), line_of(value_node)
        fault = None
        if name not in KEYS:
            fault = f"unknown key. {did_you_mean(name, KEYS)}The keys are {', '.join(KEYS)}."
        elif name in lines:
            fault = "it is listed twice in this plan. Keep one of them."
        else:
            try:
                value = construct(value_node)
                values[name] = value
                if not KEYS[name].is_right(value):
                    fault = f"{shown(value)} is not {KEYS[name].must_be}."
            except Unreadable as error:
                line, fault = error.line, f"{error.what}."
        lines[name] = line
        if fault is not None:
            values.pop(name, None)
            problems.append(Problem(line=line, key=f"maintenance.{name}"[:100], what=fault))
    for name, key in KEYS.items():
        if key.is_needed and name not in lines:
            problems.append(
                Problem(line=line_of(node), key=f"maintenance.{name}", what=f"it is missing. Enter {key.must_be}.")
            )
    return WantedPlan(values=values, line=line_of(node), lines=lines)


def _store(wanted: WantedPlan, stored: MaintenancePlan | None, now: datetime, problems: list[Problem]) -> list[str]:
    """Store a plan if it differs, and return the differences in words."""
    ids = sorted(set(wanted.values.get("services", [])))
    services = list(Service.objects.present().filter(id__in=ids).order_by("id"))
    missing = sorted(set(ids) - {service.pk for service in services})
    if missing:
        problems.append(wanted.problem("services", f"{shown(missing[0])} is not a service. Enter the id of one."))
        return []
    plan = stored or MaintenancePlan(slug=wanted.values["id"])
    before = {name: getattr(plan, name) for name in COLUMNS}
    before["services"] = list(plan.services.order_by("id").values_list("id", flat=True)) if stored else []
    after = {**_columns(wanted.values), "services": ids}
    changed = [name for name in after if before[name] != after[name]]
    if stored is not None and not changed:
        return []
    for name in COLUMNS:
        setattr(plan, name, after[name])
    try:
        planning.save(plan, services, by=None, now=now, zone=settings.PAGE_TIME_ZONE)
    except ValidationError as error:
        found = error.message_dict if hasattr(error, "error_dict") else {"slug": error.messages}
        problems += [wanted.problem(name, words) for name, messages in found.items() for words in messages]
    return [f"{KEY_OF.get(name, name)} {shown(before[name])} → {shown(after[name])}" for name in changed]


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    start = datetime.strptime(values["start"], START)  # noqa: DTZ007  wall time
    translations = values.get("translations", {})
    empty = MaintenancePlan()
    named = {KEYS[name].column: value for name, value in values.items()}
    return {
        **{name: named.get(name, getattr(empty, name)) for name in COLUMNS},
        "starts_on": start.date(),
        "wall_time": start.time(),
        **{
            f"{field}_translations": {code: words[field] for code, words in translations.items() if field in words}
            for field in ("title", "description")
        },
    }


def _written(plan: MaintenancePlan) -> dict[str, Any]:
    empty = MaintenancePlan()
    written: dict[str, Any] = {"id": plan.slug, "title": plan.title}
    services = sorted(service.pk for service in plan.services.all())
    optional = {
        "description": plan.description,
        "translations": _translations(plan),
        "all": plan.covers_all,
        "services": services,
        "groups": plan.groups,
    }
    written |= {name: value for name, value in optional.items() if value}
    written |= {"start": f"{_first(plan.starts_on, plan.wall_time):{START}}", "zone": plan.zone}
    written |= {"duration": plan.duration_minutes}
    rest = {"rrule": "rrule", "announce": "announce_hours", "ends_by_hand": "ends_by_hand"}
    changed = {name: getattr(plan, column) for name, column in rest.items()}
    return written | {name: value for name, value in changed.items() if value != getattr(empty, rest[name])}


def _first(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock)


def _translations(plan: MaintenancePlan) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for field in ("title", "description"):
        for code, text in getattr(plan, f"{field}_translations").items():
            found.setdefault(code, {})[field] = text
    return found
