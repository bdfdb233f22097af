"""The wanted settings of a service, and how they differ from the stored ones."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.config import sealing
from monitoring.models import Service
from monitoring.probes.http.requests import origin_of
from monitoring.probes.secrets import Place
from monitoring.probes.suggestions import shown

# The columns of a service that people decide; the monitor maintains the others.
COLUMNS = (
    "id",
    "name",
    "display_name",
    "description",
    "endpoint_url",
    "check_interval",
    "timeout",
    "is_active",
    "regions",
    "quorum",
    "is_critical",
    "incident_mode",
    "kind",
    "check_settings",
    "failure_threshold",
    "recovery_threshold",
    "group_name",
    "parent_id",
    "tags",
    "metadata",
)
# The words for columns whose name differs from them.
KEYS = {"group_name": "group", "parent_id": "parent", "kind": "check.kind", "check_settings": "check"}
MOST_UPDATES_LISTED = 10  # updated services named one by one in a summary


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """A reason why the wanted settings are refused. `line` is 0 if they do not come from a file."""

    line: int = 0
    key: str
    what: str  # with the value and the remedy

    def __str__(self) -> str:
        return f"{self.key}: {self.what}"


class Refused(Exception):
    """The wanted services have problems, so nothing was changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The wanted settings of one service. A missing column is not changed; in a new service it has its default."""

    id: str
    values: Mapping[str, Any]
    line: int = 0
    lines: Mapping[str, int] = field(default_factory=dict)  # of each key
    refused: frozenset[str] = frozenset()  # keys with a problem that is already known

    def problem(self, key: str, what: str) -> Problem:
        """Return a problem with the line of a key, or of its nearest parent in the file."""
        place = key
        while place not in self.lines and "." in place:
            place = place.rpartition(".")[0]
        return Problem(line=self.lines.get(place, self.line), key=key, what=what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    column: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.column == "archived_at":
            return "restored"
        if self.column == "check_settings":
            return ", ".join(_told_settings(self.before, self.after))
        key = KEYS.get(self.column, self.column)
        return f"{key} {shown(self.before)} → {shown(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The services that were changed, or would be, by id."""

    created: Sequence[str]
    updated: Mapping[str, Sequence[Difference]]
    unchanged: int
    archived: Sequence[str] = ()
    warnings: Sequence[Problem] = ()  # not mistakes, but worth a look
    sections: Sequence[Any] = ()  # `SectionOutcome` of each further section of the file

    @property
    def has_changes(self) -> bool:
        others = any(each.has_changes for each in self.sections)
        return bool(self.created or self.updated or self.archived or others)

    def __str__(self) -> str:
        listed = [f"{id}: {', '.join(map(str, what))}" for id, what in list(self.updated.items())[:MOST_UPDATES_LISTED]]
        if len(self.updated) > MOST_UPDATES_LISTED:
            listed.append(f"and {len(self.updated) - MOST_UPDATES_LISTED} more")
        details = f" ({'; '.join(listed)})" if listed else ""
        archived = f"{len(self.archived)} archived ({', '.join(self.archived)}), " if self.archived else ""
        counts = f"{len(self.created)} created, {len(self.updated)} updated{details}"
        return "; ".join([f"{counts}, {archived}{self.unchanged} unchanged", *map(str, self.sections)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A service with the wanted settings, and what they change."""

    wanted: Wanted
    service: Service
    is_new: bool
    differences: Sequence[Difference]


def draft(wanted: Wanted, stored: Service | None) -> Draft:
    values = {**wanted.values, **names_following(wanted.values, stored)}
    if "check_settings" in values and stored is not None:
        values["check_settings"] = _like_stored(values, stored)
    if stored is None:
        return Draft(wanted=wanted, service=Service(**{"id": wanted.id, **values}), is_new=True, differences=())
    service = copy.copy(stored)
    values["archived_at"] = None  # a archived service that is wanted again is restored
    differences = [
        Difference(column=column, before=getattr(stored, column), after=value)
        for column, value in values.items()
        if getattr(stored, column) != value
    ]
    for difference in differences:
        setattr(service, difference.column, difference.after)
    return Draft(wanted=wanted, service=service, is_new=False, differences=differences)


def names_following(values: Mapping[str, Any], stored: Service | None) -> dict[str, str]:
    """Set a missing name or display name to the other one, unless the stored ones differ."""
    given = {key for key in ("name", "display_name") if key in values}
    if len(given) != 1 or (stored is not None and stored.name != stored.display_name):
        return {}
    return dict.fromkeys(("name", "display_name"), values[given.pop()])


def _like_stored(values: Mapping[str, Any], stored: Service) -> Any:
    """Return settings in which unchanged secrets keep their stored seals."""
    written = values["check_settings"]
    place = Place(stored.id, origin_of(values.get("endpoint_url", stored.endpoint_url) or "", written or {}))
    try:
        return sealing.sealed(written, stored.check_settings, place, stored.place)
    except (sealing.NothingKept, sealing.LeftBehind, sealing.Unsealable):
        return written  # the model reports the problem


def _told_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield the changes below `check:`, without any secret."""
    hidden_before, hidden_after = sealing.masked(before), sealing.masked(after)
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) == after.get(key):
            continue
        if hidden_before.get(key) == hidden_after.get(key):
            yield f"check.{key} has another secret"
        else:
            yield f"check.{key} {_or_default(hidden_before, key)} → {_or_default(hidden_after, key)}"


def _or_default(values: Mapping[str, Any], key: str) -> str:
    return shown(values[key]) if key in values else "default"
