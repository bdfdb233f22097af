"""Create, update and archive many services at once: either all, or none with all reasons."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import MD5, Concat
from django.utils import timezone

from accounts.models import User
from database.batches import batches
from monitoring.accounting import day_rules
from monitoring.catalogue import lifecycle, parents, restoring, service_rows
from monitoring.catalogue.plain_secrets import plain_secrets
from monitoring.catalogue.planned import COLUMNS, KEYS, Difference, Draft, Outcome, Problem, Refused, Wanted, draft
from monitoring.config import check_settings
from monitoring.models import Service
from monitoring.probes.suggestions import did_you_mean, shown
from observability.events import Action, Subject, tell_when_committed

__all__ = ["COLUMNS", "Difference", "Draft", "Outcome", "Problem", "Refused", "Wanted", "no_progress", "sync"]

WRITTEN = (*COLUMNS[1:], "phase_ms", "version", "archived_at", "updated_at")
REASON = "services.yaml"  # of a pause that a services file began
BATCH = 1000  # rows written with one statement


def no_progress(what: str, done: int, total: int) -> None:
    """Ignore progress."""


def sync(
    wanted: Sequence[Wanted],
    known: Sequence[Problem] = (),
    *,
    prune: bool = False,
    is_dry: bool = False,
    progress: Callable[[str, int, int], None] = no_progress,
    author: User | None = None,
    reason: str = REASON,
) -> Outcome:
    """Change services to the wanted settings, in one transaction and with a few queries per thousand services.

    Other services are not changed, or archived with `prune`. With `is_dry`, the outcome is what would be done.
    `author` and `reason` are stored with the pauses that this begins. Each id must occur once.
    Raises `Refused` with the `known` problems and all others; in that case nothing is changed.
    """
    with transaction.atomic():
        lifecycle.lock_catalogue()
        stored = Service.objects.in_bulk([each.id for each in wanted])
        drafts = [draft(each, stored.get(each.id)) for each in wanted]
        archived = _others(drafts) if prune else []
        problems = [*known, *_all_invalid(drafts, progress), *_taken_names(drafts), *_wrong_parents(drafts, archived)]
        if problems:
            raise Refused(sorted(problems))
        changed = [each for each in drafts if each.is_new or each.differences]
        if (changed or archived) and not is_dry:
            now = timezone.now()
            ruled = [each.service.id for each in changed if any(_changes(each, name) for name in day_rules.COLUMNS)]
            day_rules.keep_todays(ruled, now, settings.PAGE_TIME_ZONE)
            _write(changed, now, progress)
            _switch(changed, now, author, reason)
            Service.objects.filter(id__in=archived).update(archived_at=now, updated_at=now)
            lifecycle.tell_readers([*(each.service.id for each in changed), *archived])
            _tell(changed, archived)
    return Outcome(
        created=[each.service.id for each in changed if each.is_new],
        updated={each.service.id: each.differences for each in changed if not each.is_new},
        unchanged=len(drafts) - len(changed),
        archived=archived,
        warnings=[each.wanted.problem(*found) for each in drafts for found in plain_secrets(each.service)],
    )


def _tell(changed: Sequence[Draft], archived: Sequence[str]) -> None:
    for action, ids in (
        (Action.CREATED, [each.service.id for each in changed if each.is_new]),
        (Action.UPDATED, [each.service.id for each in changed if not each.is_new]),
        (Action.DELETED, archived),
    ):
        tell_when_committed(Subject.SERVICE, action, ids)


def _others(drafts: Sequence[Draft]) -> list[str]:
    named = {each.service.id for each in drafts}
    return [id for id in Service.objects.present().order_by("id").values_list("id", flat=True) if id not in named]


def _all_invalid(drafts: Sequence[Draft], progress: Callable[[str, int, int], None]) -> Iterator[Problem]:
    for number, each in enumerate(drafts, 1):
        yield from _invalid(each)
        progress("checked", number, len(drafts))


def _invalid(draft: Draft) -> Iterator[Problem]:
    """Validate with the model, but without its queries: names are looked up together, constraints have validators."""
    if not draft.is_new and not draft.differences:
        return
    exclude = {"phase_ms", "parent", *draft.wanted.refused}
    try:
        draft.service.full_clean(exclude=exclude, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        for column, errors in error.error_dict.items():
            key = "id" if column == NON_FIELD_ERRORS else KEYS.get(column, column)
            if column not in exclude:
                yield from (_problem(draft, column, key, each) for each in errors)


def _problem(draft: Draft, column: str, key: str, error: ValidationError) -> Problem:
    if column == "check_settings" and error.params and "key" in error.params:
        below = check_settings.key_of(error)  # without the value, which may contain a secret
        return draft.wanted.problem(f"check.{below}" if below else "check", check_settings.words_of(error))
    message, value = (
        " ".join(error.messages),
        shown(getattr(draft.service, column if column != NON_FIELD_ERRORS else "id")),
    )
    is_said = value.strip('"') in message or column in ("check_settings", "kind")
    return draft.wanted.problem(key, message if is_said else f"{value}: {message}")


def _taken_names(drafts: Sequence[Draft]) -> Iterator[Problem]:
    named = [each for each in drafts if not each.wanted.refused & {"id", "name"}]
    owners: dict[str, str] = dict(
        Service.objects.filter(name__in=[each.service.name for each in named])
        .exclude(id__in=[each.service.id for each in named])
        .values_list("name", "id")
    )
    for each in named:
        name, key = each.service.name, "name" if "name" in each.wanted.values else "display_name"
        if name in owners:
            what = f"{shown(name)} is already the name of the service {owners[name]}. Choose another name."
            yield each.wanted.problem(key, what)
        owners.setdefault(name, each.service.id)


def _wrong_parents(drafts: Sequence[Draft], archived: Sequence[str]) -> Iterator[Problem]:
    """Yield problems of parents that do not exist or form a circle. No query if no service has a parent."""
    if not any(each.service.parent_id for each in drafts):
        return
    known = parents.known() | {each.service.id: each.service.parent_id for each in drafts}
    for id in archived:
        known.pop(id, None)
    for each in drafts:
        service = each.service
        if service.parent_id is None or "parent_id" in each.wanted.refused:
            continue
        if not (each.is_new or _changes(each, "parent_id") or service.parent_id in archived):
            continue
        if service.parent_id not in known:
            what = f"{shown(service.parent_id)} is not a service. {did_you_mean(service.parent_id, known)}"
            yield each.wanted.problem("parent", what + "Enter the id of an existing service, or remove the line.")
        elif circle := parents.circle(service.id, service.parent_id, known):
            what = f"a service cannot be part of itself: {' → '.join(circle)}."
            yield each.wanted.problem("parent", what)


def _write(drafts: Sequence[Draft], now: datetime, progress: Callable[[str, int, int], None]) -> None:
    for each in drafts:
        each.service.derive()
        each.service.updated_at = now
        each.service.created_at = each.service.created_at or now
    # States first, in the order in which a recorder locks; another order could end in a deadlock.
    wanted_again = [each.service.id for each in drafts if _changes(each, "archived_at")]
    archived = restoring.lock(wanted_again)
    renamed = [each.service.id for each in drafts if _changes(each, "name")]
    if renamed:  # to temporary names first: two services may swap their names
        Service.objects.filter(id__in=renamed).update(name=Concat(Value("~"), MD5("id")))
    services = sorted((each.service for each in drafts), key=lambda service: service.id)
    written = 0
    for batch in batches(services, BATCH):
        service_rows.save(batch, WRITTEN)
        written += len(batch)
        progress("written", written, len(services))
    restoring.restore(archived, now)


def _switch(drafts: Sequence[Draft], now: datetime, author: User | None, reason: str) -> None:
    """Begin and end the pauses of services that are switched off and on."""
    switched = [each for each in drafts if each.is_new or _changes(each, "is_active")]
    paused = [each.service.id for each in switched if not each.service.is_active]
    lifecycle.open_spans(paused, author=author, reason=reason, now=now)
    lifecycle.close_spans([each.service.id for each in switched if each.service.is_active], now=now)


def _changes(each: Draft, column: str) -> bool:
    return any(difference.column == column for difference in each.differences)
