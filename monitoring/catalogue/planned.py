"""What a service should be, and how that differs from what it is."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.config import sealing
from monitoring.models import Service
from monitoring.probes.http.requests import origin_of
from monitoring.probes.secrets import Place
from monitoring.probes.suggestions import shown

# What people decide about a service; everything else the monitor keeps by itself.
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
    "kind",
    "check_settings",
    "failure_threshold",
    "recovery_threshold",
    "group_name",
    "parent_id",
    "tags",
    "metadata",
)
# How people call a column, where that differs.
KEYS = {"group_name": "group", "parent_id": "parent", "kind": "check.kind", "check_settings": "check"}
LISTED = 10  # updated services named one by one in a summary


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """Why what is wanted cannot be done. `line` is 0 where it does not come from a file."""

    line: int = 0
    key: str
    what: str  # with the value and the remedy

    def __str__(self) -> str:
        return f"{self.key}: {self.what}"


class Refused(Exception):
    """Something about the wanted services is wrong, so nothing was changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What one service should be. A column left out stays as it is, or takes its default in a new service."""

    id: str
    values: Mapping[str, Any]
    line: int = 0
    lines: Mapping[str, int] = field(default_factory=dict)  # of each key
    refused: frozenset[str] = frozenset()  # keys with a problem that is known already

    def problem(self, key: str, what: str) -> Problem:
        """Make a problem in the line of a key, or of the nearest one above it that is there."""
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
            return "revived"
        if self.column == "check_settings":
            return ", ".join(_told_settings(self.before, self.after))
        key = KEYS.get(self.column, self.column)
        return f"{key} {shown(self.before)} → {shown(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done, or would be, by id."""

    created: Sequence[str]
    updated: Mapping[str, Sequence[Difference]]
    unchanged: int
    removed: Sequence[str] = ()
    warnings: Sequence[Problem] = ()  # what is no mistake, but should be looked at

    @property
    def has_changes(self) -> bool:
        return bool(self.created or self.updated or self.removed)

    def __str__(self) -> str:
        listed = [f"{id}: {', '.join(map(str, what))}" for id, what in list(self.updated.items())[:LISTED]]
        if len(self.updated) > LISTED:
            listed.append(f"and {len(self.updated) - LISTED} more")
        details = f" ({'; '.join(listed)})" if listed else ""
        removed = f"{len(self.removed)} removed ({', '.join(self.removed)}), " if self.removed else ""
        return f"{len(self.created)} created, {len(self.updated)} updated{details}, {removed}{self.unchanged} unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A service as it would be, and what that changes."""

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
    values["archived_at"] = None  # a removed service that is wanted again
    differences = [
        Difference(column=column, before=getattr(stored, column), after=value)
        for column, value in values.items()
        if getattr(stored, column) != value
    ]
    for difference in differences:
        setattr(service, difference.column, difference.after)
    return Draft(wanted=wanted, service=service, is_new=False, differences=differences)


def names_following(values: Mapping[str, Any], stored: Service | None) -> dict[str, str]:
    """Let the name or the display name that is left out follow the other, unless somebody made it differ."""
    given = {key for key in ("name", "display_name") if key in values}
    if len(given) != 1 or (stored is not None and stored.name != stored.display_name):
        return {}
    return dict.fromkeys(("name", "display_name"), values[given.pop()])


def _like_stored(values: Mapping[str, Any], stored: Service) -> Any:
    """Return settings whose secrets, where they are the stored ones, are sealed as those are."""
    written = values["check_settings"]
    place = Place(stored.id, origin_of(values.get("endpoint_url", stored.endpoint_url) or ""))
    try:
        return sealing.sealed(written, stored.check_settings, place, stored.place)
    except (sealing.NothingKept, sealing.LeftBehind, sealing.Unsealable):
        return written  # the model will say what is wrong with it


def _told_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield what changes below `check:`, without any secret."""
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
