"""Account one day of services: their time by kind, their figures and the colour of the day."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from monitoring.accounting import evidence
from monitoring.accounting.evidence import Account
from monitoring.models import Service
from monitoring.models.policies import AccountingPolicy
from monitoring.models.rollups import EMPTY_DAY
from monitoring.rules.calendar_days import bounds
from monitoring.rules.sla import Kind
from monitoring.rules.state import Status
from monitoring.states.terms import Terms, TermsBook

PART = 500  # services in memory with their rows at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The figures of one service and day, before they are stored."""

    service: Service
    date: date
    time_zone: str  # of the date
    account: Account
    status: str
    terms: Terms


def account_day(day: date, service_ids: Collection[str], now: datetime, zone: tzinfo) -> list[Day]:
    """Account one day of services and store nothing. Six queries."""
    window = bounds(day, zone)
    services = list(Service.objects.filter(id__in=service_ids).order_by("id"))
    terms = _terms(services, day, now, zone)
    found = evidence.fetch(services, *window, [each.rules for each in terms.values()])
    days = []
    for service in services:
        held = terms[service.id]
        account = evidence.account(service.id, found[service.id], held.rules, window, now)
        status = status_of(account, held.version)
        days.append(Day(service=service, date=day, time_zone=str(zone), account=account, status=status, terms=held))
    return days


def _terms(services: Collection[Service], day: date, now: datetime, zone: tzinfo) -> dict[str, Terms]:
    """Return the terms of a day by service. Two queries."""
    book = TermsBook(services, day, day, now, zone)
    return {service.id: book.on(service, day) for service in services}


def status_of(account: Account, policy: AccountingPolicy) -> str:
    """Return the status of a day: `e` before the service existed, `nd` if nothing was measured, else by downtime."""
    if account.seconds[Kind.EMPTY] == sum(account.seconds.values()):
        return EMPTY_DAY
    if account.figures.uptime is None:
        return Status.UNKNOWN
    if account.seconds[Kind.DOWN] == 0:
        return Status.OPERATIONAL
    return Status.DOWN if account.figures.uptime < policy.major_below * 100 else Status.PARTIAL
