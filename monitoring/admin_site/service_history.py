"""The data of a service's page: a fixed number of queries, each along an index, however much is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from monitoring.accounting import stored_days
from monitoring.admin_site.dashboard import HOUR, Period, accounted, status_since
from monitoring.checks import check_search
from monitoring.checks.check_search import SEARCHED_AHEAD, Wanted
from monitoring.models import (
    ApiCallLog,
    RegionState,
    Service,
    ServiceHour,
    ServiceState,
    Span,
    SpanKind,
    Transition,
    UptimeRecord,
    WatchServerLog,
)
from monitoring.rules.calendar_days import bounds, day_of, days_between
from monitoring.states.live import is_ahead, is_silent, status_at

CHECKS_SHOWN = 10
CHECKS_LOOK_BACK = timedelta(days=7)
MOST_LISTED = 10  # status changes, pauses, and changes of the settings
DAYS = {Period.WEEK: 7, Period.QUARTER: 90}  # of figures and charts, today included


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """An hour of checks, or a day with the minutes that the service was in each status."""

    at: datetime
    ok: int = 0
    slow: int = 0
    bad: int = 0
    mean_ms: float | None = None  # of the answers

    @property
    def times(self) -> tuple[float | None, ...]:
        return (self.mean_ms,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uptime:
    """The uptime of a period, and the query of the ledger that shows the same figure."""

    period: Period
    hundredths: int | None  # of a percent; None: nothing measured
    query: str


def find(service_id: str) -> Service | None:
    """Return a service, archived or not, with its state, its heartbeat and its parent. One query."""
    return Service.objects.select_related("state", "heartbeat", "parent").filter(pk=service_id).first()


def since(service: Service, newest: Transition | None, pauses: Sequence[Span], now: datetime) -> datetime | None:
    """Return since when a service has the state that its page shows; None if unknown."""
    if service.archived_at is not None:
        return service.archived_at
    if not service.is_active:
        return next((each.since for each in pauses if each.kind == SpanKind.PAUSED and each.until is None), None)
    state: ServiceState | None = getattr(service, "state", None)
    if state is None or state.run_last_at is None or is_ahead(state, now):
        return None
    status = status_at(state, now)
    # A run ends at each gap and at each slow check, the status may not.
    if newest is not None and newest.to_status == status and not is_silent(state, now):
        return newest.edge_end_at
    return status_since(state, status, now)


def last_checks(service: Service, now: datetime) -> list[WatchServerLog]:
    """Return the newest checks. Raises `TooMuch`."""
    wanted = Wanted(since=now - CHECKS_LOOK_BACK, until=now + SEARCHED_AHEAD, service_id=service.id)
    return check_search.read(wanted, rows=CHECKS_SHOWN).checks


def uptimes(service: Service, now: datetime, zone: ZoneInfo) -> list[Uptime]:
    """Return the uptime of the last 24 hours to the second, and of the last days, today included. Eight queries."""
    end = now.replace(microsecond=0)
    start, today = end - timedelta(days=1), day_of(now, zone)
    _seconds_down, lately = accounted([service], start, end)[service.id]
    found = [Uptime(period=Period.DAY, hundredths=lately, query=urlencode({"from": _utc(start), "to": _utc(end)}))]
    for period, days in DAYS.items():
        first = today - timedelta(days=days - 1)
        figures = stored_days.figures([service.id], first, today, zone).get(service.id)
        query = urlencode({"from": first, "to": today})
        found.append(Uptime(period=period, hundredths=figures.uptime if figures else None, query=query))
    return found


def buckets(service: Service, period: Period, now: datetime, zone: ZoneInfo) -> list[Bucket]:
    """Return all hours, or all days, of a period, oldest first. One query, or two."""
    if period is Period.QUARTER:
        today = day_of(now, zone)
        return _days(service, today - timedelta(days=DAYS[period] - 1), today, zone)
    last = now.replace(minute=0, second=0, microsecond=0)
    hours = [last - back * HOUR for back in reversed(range(period.hours))]
    # Each hour by value: a range would scan the hours of all other services.
    stored = {row.hour_at: row for row in ServiceHour.objects.filter(hour_at__in=hours, service_id=service.id)}
    return [_hour(at, stored.get(at)) for at in hours]


def status_changes(service: Service) -> list[Transition]:
    """Return the newest changes of status, newest first. One query."""
    return list(Transition.objects.filter(service=service).order_by("-edge_end_at", "-id")[:MOST_LISTED])


def pauses(service: Service) -> list[Span]:
    """Return the newest pauses and maintenance windows, with those of all services, newest first. One query."""
    of_people = Span.objects.in_force().filter(kind__in=(SpanKind.PAUSED, SpanKind.MAINTENANCE))
    return list(of_people.of(service.id).select_related("author").order_by("-since", "-id")[:MOST_LISTED])


def regions(service: Service) -> list[RegionState]:
    """Return the newest check of each region; none if there is only one region. One query at most."""
    if len(service.regions) < 2:
        return []
    return list(RegionState.objects.filter(service=service, region__in=service.regions).order_by("region"))


def edits(service: Service) -> list[LogEntry]:
    """Return who changed the settings, newest first. One query: there are no more rows than people made changes."""
    kind = ContentType.objects.get_for_model(Service)
    entries: Any = LogEntry.objects.filter(content_type=kind, object_id=service.pk)
    return list(entries.select_related("user").order_by("-action_time", "-id")[:MOST_LISTED])


def _hour(at: datetime, row: ServiceHour | None) -> Bucket:
    if row is None:
        return Bucket(at=at)
    answered = row.ok_count + row.slow_count if row.answered_count is None else row.answered_count
    mean_ms = row.response_ms_sum / answered if answered else None
    return Bucket(at=at, ok=row.ok_count, slow=row.slow_count, bad=row.bad_count, mean_ms=mean_ms)


def _days(service: Service, first: date, last: date, zone: ZoneInfo) -> list[Bucket]:
    between = {"service": service, "date__range": (first, last), "time_zone": str(zone)}
    stored = {row.date: row for row in UptimeRecord.objects.filter(**between)}
    means = dict(ApiCallLog.objects.filter(**between).values_list("date", "avg_response_time"))
    return [_day(day, stored.get(day), means.get(day), zone) for day in days_between(first, last)]


def _day(day: date, row: UptimeRecord | None, mean_ms: float | None, zone: ZoneInfo) -> Bucket:
    at, _end = bounds(day, zone)
    if row is None:
        return Bucket(at=at, mean_ms=mean_ms)
    minutes = [round(seconds / 60) for seconds in (row.operational_s, row.partial_s, row.down_s)]
    return Bucket(at=at, ok=minutes[0], slow=minutes[1], bad=minutes[2], mean_ms=mean_ms)


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
