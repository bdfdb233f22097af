"""Change how time is accounted: policies, maintenance windows, restatements. Affected days are accounted again."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta, tzinfo
from itertools import groupby
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import Role
from database import changes
from database.bulk import array
from database.locks import lock_in_transaction
from database.sql import statement
from monitoring.accounting import evidence, rollup_requests
from monitoring.models import AccountingPolicy, Restatement, Service, Span, SpanKind
from monitoring.models.policies import STANDARD, PolicyBook
from monitoring.models.spans import SpanQuerySet
from monitoring.rules import notice
from monitoring.rules.calendar_days import day_of, days_between

BY_PEOPLE = (SpanKind.MAINTENANCE, SpanKind.PAUSED)  # blind spans are begun and ended by the engine
TIMES = ("service_id", "since", "until")  # the columns that determine which time a span covers
MOST_APPROVERS_NAMED = 5  # people who could approve


def next_version(policy: AccountingPolicy, *, author: User | None, now: datetime, zone: tzinfo) -> AccountingPolicy:
    """Store a policy as the next version of its name. Raises ValidationError if it would change the past."""
    earliest = earliest_day(policy.name, now, zone)
    if policy.effective_on < earliest:
        message = _("%(day)s is too early: past figures are not changed. Choose %(earliest)s or a later day.")
        params = {"day": policy.effective_on, "earliest": earliest}
        raise ValidationError({"effective_on": ValidationError(message, params=params)})
    with transaction.atomic():
        lock_in_transaction("accounting policies")
        newest = AccountingPolicy.objects.filter(name=policy.name).order_by("-version").first()
        policy.pk, policy.version, policy.author = None, newest.version + 1 if newest else 1, author
        policy.save(force_insert=True)
        changes.bump("page")
    return policy


def earliest_day(name: str, now: datetime, zone: tzinfo) -> date:
    """Return the first day on which a new version may be in force: tomorrow, as today began under another one."""
    has_others = AccountingPolicy.objects.filter(name=name).exists()
    return day_of(now, zone) + timedelta(days=1 if has_others else 0)


def keep_span(span: Span, *, by: User | None = None, now: datetime, zone: tzinfo) -> None:
    """Store a span that a person entered or changed; the earlier content of a changed one is kept in a copy.

    Closed days that the old or the new span touches are accounted again.
    """
    with transaction.atomic():
        before = Span.objects.select_for_update().filter(pk=span.pk).first()
        if before is None:
            span.created_at, span.author = now, by
        elif before.kind in BY_PEOPLE:
            _keep_earlier(span, before, by, now)
        span.save()
        _account_touched([each for each in (span, before) if each is not None], now, zone)
        changes.bump("page")


def _keep_earlier(span: Span, before: Span, by: User | None, now: datetime) -> None:
    """Store a copy of a span before a change. A change of its time is a new entry; one of its reason is not."""
    if all(getattr(span, name) == getattr(before, name) for name in (*TIMES, "reason")):
        return
    span.created_at, span.author = before.created_at, before.author
    if any(getattr(span, name) != getattr(before, name) for name in TIMES):
        span.created_at, span.author = now, by
    _as_copy(before, by, now).save(force_insert=True)


def _as_copy(before: Span, by: User | None, now: datetime) -> Span:
    """Turn a row as it was before a change into the copy that keeps it. Does not save."""
    before.replacement_id, before.pk, before.replaced_by = before.pk, None, by
    before.replaced_at = max(now, before.created_at)  # a clock may have been set back
    return before


Window = tuple[str | None, datetime, datetime]  # service, None for all; since, until


def enter_maintenance(
    windows: Sequence[Window], *, reason: str, by: User | None, now: datetime, zone: tzinfo
) -> dict[tuple[str | None, datetime], int]:
    """Store windows that people planned, and return their ids by service and beginning.

    A fixed number of queries, however many there are.
    """
    values: dict[str, Any] = {
        "service_ids": array(id for id, _since, _until in windows),
        "sinces": array(since for _id, since, _until in windows),
        "untils": array(until for _id, _since, until in windows),
        "reason": reason,
        "author_id": by.pk if by else None,
        "now": now,
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statement("monitoring", "enter_maintenance"), values)
            stored = {(service_id, since): id for id, service_id, since in cursor.fetchall()}
        today = day_of(now, zone)
        past = [window for window in windows if day_of(window[1], zone) < today]
        _account_touched([Span(service_id=id, since=since, until=until) for id, since, until in past], now, zone)
        changes.bump("page")
    return stored


def change_spans(
    spans: SpanQuerySet, *, since: datetime, until: datetime, reason: str, by: User | None, now: datetime, zone: tzinfo
) -> None:
    """Give spans in force other times and another reason, as `keep_span` does. A fixed number of queries."""
    with transaction.atomic():
        before = list(spans.in_force().select_for_update().order_by("id"))
        moved = [span for span in before if (span.since, span.until) != (since, until)]
        reworded = [span for span in before if (span.since, span.until) == (since, until) and span.reason != reason]
        ids, reworded_ids = [span.pk for span in moved], [span.pk for span in reworded]
        _account_touched(moved, now, zone)
        Span.objects.bulk_create([_as_copy(span, by, now) for span in (*moved, *reworded)])
        Span.objects.filter(pk__in=ids).update(since=since, until=until, reason=reason, created_at=now, author=by)
        Span.objects.filter(pk__in=reworded_ids).update(reason=reason)
        _account_touched(list(Span.objects.filter(pk__in=ids)), now, zone)
        changes.bump("page")


def withdraw_spans(spans: SpanQuerySet, *, by: User | None, now: datetime, zone: tzinfo) -> None:
    """Put spans out of force; the rows stay, with who withdrew them. A fixed number of queries."""
    with transaction.atomic():
        before = list(spans.in_force().select_for_update().order_by("id"))
        rows = Span.objects.filter(pk__in=[span.pk for span in before])
        rows.update(replaced_at=Greatest(Value(now), F("created_at")), replaced_by=by)
        _account_touched(before, now, zone)
        changes.bump("page")


def _account_touched(spans: Sequence[Span], now: datetime, zone: tzinfo) -> None:
    """Request the closed days of spans, which have the same times if there are many."""
    past = [span for span in spans if day_of(span.since, zone) < day_of(now, zone)]
    for (since, until), group in groupby(past, key=lambda span: (span.since, span.until)):
        ids = [span.service_id for span in group]
        named = _all_services() if None in ids else [id for id in ids if id is not None]
        _account_again(named, since, until or now, now, zone)


def decide(restatement: Restatement, *, is_approved: bool, by: User, now: datetime, zone: tzinfo) -> None:
    """Approve or reject a proposed restatement. Raises ValidationError if another user decided it before.

    Also raises it for the author, unless no other admin could approve it; the row then records that permanently.
    """
    with transaction.atomic():
        lock_in_transaction("admins")  # so that the set of admins does not change meanwhile
        undecided = Restatement.objects.filter(pk=restatement.pk, is_approved=None)
        is_own = is_approved and undecided.filter(proposed_by=by).exists()
        if is_own and (others := who_else_may_approve(by)):
            message = _("You proposed this restatement, so another admin has to approve it. Ask one of: %(names)s")
            raise ValidationError(message, params={"names": ", ".join(others)})
        decision = {"is_approved": is_approved, "is_self_approved": is_own}
        if not undecided.update(**decision, decided_by=by, decided_at=now):
            raise ValidationError(_("Somebody has already decided on this restatement."))
        if is_approved:
            _account_again([restatement.service_id], restatement.since, restatement.until, now, zone)
        changes.bump("page")


def who_else_may_approve(user: User) -> list[str]:
    """Return the names of some admins who could approve a proposal of the user."""
    admins = User.objects.filter(role=Role.ADMIN, is_active=True).exclude(pk=user.pk)
    return list(admins.order_by("username").values_list("username", flat=True)[:MOST_APPROVERS_NAMED])


def is_late(span: Span, now: datetime, zone: tzinfo) -> bool:
    """Return whether a part of a window was entered or withdrawn too late, by today's policy of its service."""
    policy_name = span.service.policy_name if span.service else STANDARD
    rules = PolicyBook().in_force(policy_name, day_of(now, zone)).rules
    versions = [span, *span.earlier.all()]
    latest = max(now, *(each.until or now for each in versions))
    window = min(int(each.since.timestamp()) for each in versions), int(latest.timestamp())
    return bool(notice.late([evidence.said_by(each, latest) for each in versions], rules, window))


def overlapping(span: Span) -> Collection[Span]:
    """Return the maintenance windows that overlap this one, of its service or of all services."""
    met = Span.objects.maintenance().touching(span.since, span.until).exclude(pk=span.pk)
    return list(met if span.service_id is None else met.of(span.service_id))


def _account_again(service_ids: Collection[str], since: datetime, until: datetime, now: datetime, zone: tzinfo) -> None:
    """Request the roll-up of closed days between two instants; today is updated every minute anyway."""
    yesterday = day_of(now, zone) - timedelta(days=1)
    last = min(day_of(until, zone), yesterday)
    days: list[date] = list(days_between(day_of(since, zone), last))
    rollup_requests.request(service_ids, days)


def _all_services() -> list[str]:
    return list(Service.objects.values_list("id", flat=True))


def defaults_of(policy: AccountingPolicy) -> dict[str, Any]:
    """Return the rules of a version, as defaults for the next one.

    Late maintenance is accounted as measured by default. Only the built-in version leaves it out, because its figures
    were published before this rule existed.
    """
    own = {"id", "version", "effective_on", "author", "created_at", "reason", "late_maintenance"}
    return {f.name: getattr(policy, f.name) for f in AccountingPolicy._meta.concrete_fields if f.name not in own}
