"""Create and update services, many at once: all of what is wanted, or nothing and every reason why."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import MD5, Concat
from django.utils import timezone

from database import changes
from database.locks import lock_in_transaction
from monitoring import check_settings, transitions
from monitoring.models import Service
from monitoring.models.services import PROBED_COLUMNS, phase_of
from monitoring.wording import shown

# What people decide about a service; everything else the monitor keeps by itself.
COLUMNS = (
    *("id", "name", "display_name", "description", "endpoint_url", "check_interval", "timeout", "is_active"),
    *("regions", "quorum", "is_critical", "metadata"),
)
KEYS = {"group_name": "group", "parent": "parent", "parent_id": "parent", "kind": "check.kind"}  # where a file differs
WRITTEN = [*COLUMNS[1:], "phase_ms", "version", "archived_at", "updated_at"]
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
        return Problem(line=self.lines.get(key, self.line), key=key, what=what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    column: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.column == "archived_at":
            return "revived"
        return f"{self.column} {shown(self.before)} → {shown(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done, by id."""

    created: Sequence[str]
    updated: Mapping[str, Sequence[Difference]]
    unchanged: int

    def __str__(self) -> str:
        listed = [f"{id}: {', '.join(map(str, what))}" for id, what in list(self.updated.items())[:LISTED]]
        if len(self.updated) > LISTED:
            listed.append(f"and {len(self.updated) - LISTED} more")
        details = f" ({'; '.join(listed)})" if listed else ""
        return f"{len(self.created)} created, {len(self.updated)} updated{details}, {self.unchanged} unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A service as it would be, and what that changes."""

    wanted: Wanted
    service: Service
    is_new: bool
    differences: Sequence[Difference]


def sync(wanted: Sequence[Wanted], known: Sequence[Problem] = ()) -> Outcome:
    """Make the services what is wanted, in one transaction and a fixed number of queries; the others stay as they are.

    Raises `Refused` with the `known` problems and all others, and then changes nothing. Each id must be there once.
    """
    with transaction.atomic():
        # Whoever edits services waits here, or the later one would write back what it read before the other's change.
        lock_in_transaction("services")
        stored = Service.objects.in_bulk([each.id for each in wanted])
        drafts = [_draft(each, stored.get(each.id)) for each in wanted]
        problems = [*known, *(problem for draft in drafts for problem in _invalid(draft)), *_taken_names(drafts)]
        if problems:
            raise Refused(sorted(problems))
        changed = [draft for draft in drafts if draft.is_new or draft.differences]
        if changed:
            _write(changed)
            changes.bump("page")
            transaction.on_commit(transitions.nudge_all)
    return Outcome(
        created=[draft.service.id for draft in changed if draft.is_new],
        updated={draft.service.id: draft.differences for draft in changed if not draft.is_new},
        unchanged=len(drafts) - len(changed),
    )


def _draft(wanted: Wanted, stored: Service | None) -> Draft:
    values = {**wanted.values, **_names(wanted.values, stored)}
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


def _names(values: Mapping[str, Any], stored: Service | None) -> dict[str, str]:
    """Let the name or the display name that is left out follow the other, unless somebody made it differ."""
    given = {key for key in ("name", "display_name") if key in values}
    if len(given) != 1 or (stored is not None and stored.name != stored.display_name):
        return {}
    return dict.fromkeys(("name", "display_name"), values[given.pop()])


def _invalid(draft: Draft) -> Iterator[Problem]:
    """Ask the model. Without its queries: names are looked up at once, and each constraint has a validator."""
    if not draft.is_new and not draft.differences:
        return
    exclude = {"phase_ms", *draft.wanted.refused}
    try:
        draft.service.full_clean(exclude=exclude, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        for column, errors in error.error_dict.items():
            key = KEYS.get(column, "id" if column == NON_FIELD_ERRORS else column)
            if column not in exclude:
                yield from (_problem(draft, column, key, each) for each in errors)


def _problem(draft: Draft, column: str, key: str, error: ValidationError) -> Problem:
    if column == "check_settings" and error.params and "key" in error.params:
        below = check_settings.key_of(error)  # without the value: it may hold a secret
        return draft.wanted.problem(f"check.{below}" if below else "check", check_settings.words_of(error))
    message, value = (
        " ".join(error.messages),
        shown(getattr(draft.service, column if column != NON_FIELD_ERRORS else "id")),
    )
    is_said = value.strip('"') in message or column in ("check_settings", "kind")
    return draft.wanted.problem(key, message if is_said else f"{value}: {message}")


def _taken_names(drafts: Sequence[Draft]) -> Iterator[Problem]:
    named = [draft for draft in drafts if not draft.wanted.refused & {"id", "name"}]
    owners: dict[str, str] = dict(
        Service.objects.filter(name__in=[draft.service.name for draft in named])
        .exclude(id__in=[draft.service.id for draft in named])
        .values_list("name", "id")
    )
    for draft in named:
        name, key = draft.service.name, "name" if "name" in draft.wanted.values else "display_name"
        if name in owners:
            what = f"{shown(name)} is the name of the service {owners[name]}. Names are unique: choose another."
            yield draft.wanted.problem(key, what)
        owners.setdefault(name, draft.service.id)


def _write(drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        service = draft.service
        service.phase_ms = phase_of(service.id, service.check_interval)
        service.updated_at = timezone.now()
        if any(difference.column in PROBED_COLUMNS for difference in draft.differences):
            service.version += 1
    renamed = [d.service.id for d in drafts if any(difference.column == "name" for difference in d.differences)]
    if renamed:  # out of each other's way first: two services may swap their names
        Service.objects.filter(id__in=renamed).update(name=Concat(Value("~"), MD5("id")))
    Service.objects.bulk_create(
        sorted((draft.service for draft in drafts), key=lambda service: service.id),
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=WRITTEN,
    )
