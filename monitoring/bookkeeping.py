"""Change how time is accounted: policies, maintenance windows, restatements. Days they touch are accounted again."""

from collections.abc import Collection
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from database import changes
from database.locks import lock_in_transaction
from monitoring import rollup_requests
from monitoring.calendar_days import day_of, days_between
from monitoring.models import AccountingPolicy, Restatement, Service, Span


def next_version(policy: AccountingPolicy, *, author: User | None, now: datetime, zone: tzinfo) -> AccountingPolicy:
    """Store a policy as the next version of its name. Raises ValidationError for one that would change the past."""
    today = day_of(now, zone)
    if policy.effective_on < today:
        message = _("%(day)s is over. A version is in force from today or a later day; what is past stays as it was.")
        raise ValidationError({"effective_on": ValidationError(message, params={"day": policy.effective_on})})
    with transaction.atomic():
        lock_in_transaction("accounting policies")
        newest = AccountingPolicy.objects.filter(name=policy.name).order_by("-version").first()
        policy.pk, policy.version, policy.author = None, newest.version + 1 if newest else 1, author
        policy.save(force_insert=True)
        changes.bump("page")
    return policy


def keep_span(span: Span, *, before: Span | None = None, now: datetime, zone: tzinfo) -> None:
    """Store a span; the closed days that it touches, or touched `before`, are accounted again."""
    with transaction.atomic():
        span.save()
        for touched in filter(None, (span, before)):
            if day_of(touched.since, zone) < day_of(now, zone):
                ids = [touched.service_id] if touched.service_id else _all_services()
                _account_again(ids, touched.since, touched.until or now, now, zone)
        changes.bump("page")


def decide(restatement: Restatement, *, is_approved: bool, by: User, now: datetime, zone: tzinfo) -> None:
    """Approve or reject a proposed restatement. Raises ValidationError when somebody was quicker."""
    with transaction.atomic():
        undecided = Restatement.objects.filter(pk=restatement.pk, is_approved=None)
        if not undecided.update(is_approved=is_approved, decided_by=by, decided_at=now):
            raise ValidationError(_("Somebody has decided about this restatement already."))
        if is_approved:
            _account_again([restatement.service_id], restatement.since, restatement.until, now, zone)
        changes.bump("page")


def overlapping(span: Span) -> Collection[Span]:
    """Return the maintenance windows that meet this one, of its service or of all."""
    met = Span.objects.maintenance().touching(span.since, span.until).exclude(pk=span.pk)
    return list(met if span.service_id is None else met.of(span.service_id))


def _account_again(service_ids: Collection[str], since: datetime, until: datetime, now: datetime, zone: tzinfo) -> None:
    """Ask for the days from one instant to the other that have closed; today is brought up to date anyway."""
    yesterday = day_of(now, zone) - timedelta(days=1)
    last = min(day_of(until, zone), yesterday)
    days: list[date] = list(days_between(day_of(since, zone), last))
    rollup_requests.request(service_ids, days)


def _all_services() -> list[str]:
    return list(Service.objects.values_list("id", flat=True))


def defaults_of(policy: AccountingPolicy) -> dict[str, Any]:
    """Return the rules of a version, to begin the next one with."""
    own = {"id", "version", "effective_on", "author", "created_at", "reason"}
    return {f.name: getattr(policy, f.name) for f in AccountingPolicy._meta.concrete_fields if f.name not in own}
