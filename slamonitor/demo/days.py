"""Account a made-up past as time: its outages, and its days in the time zone of the page."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from monitoring import sla
from monitoring.models import UptimeRecord
from monitoring.policies import POLICY
from monitoring.probes.model import Verdict
from monitoring.state import Status
from slamonitor.demo.past import Past, SampleCheck

SAMPLE = {"sample": True}
TOLD_FROM = timedelta(minutes=10)
PARTIAL_FROM = 95_00  # hundredths of a percent; a day below is a major outage

Stretch = tuple[datetime, datetime]


def outages(past: Past, until: datetime) -> Iterator[Stretch]:
    """Yield the stretches in which a service was down, from the first failed check to the first good one."""
    down_since = None
    for change, _check in past.changes:
        if change.to_status is Status.DOWN:
            down_since = change.edge_end_at
        elif down_since is not None:
            yield down_since, change.edge_end_at
            down_since = None
    if down_since is not None:
        yield down_since, until


def lasting_outages(past: Past, until: datetime) -> list[Stretch]:
    """Return the outages that people would have been told about and that are over, newest first."""
    over = (each for each in outages(past, until) if each[1] < until)
    return sorted((each for each in over if each[1] - each[0] >= TOLD_FROM), reverse=True)


def days_of(service_id: str, past: Past, zone: ZoneInfo, now: datetime) -> Iterator[UptimeRecord]:
    """Account the past by days of the page, whole ones as the roll-up does, and today until now."""
    by_day: dict[date, list[SampleCheck]] = {}
    for check in past.checks:
        by_day.setdefault(check.at.astimezone(zone).date(), []).append(check)
    begins_s, ends_s = _midnight_s(min(by_day), zone), int(now.timestamp())
    runs = [*past.runs, *([past.state.run] if past.state.run else [])]
    intervals = sla.account(sla.from_runs(runs), (), POLICY, window=(begins_s, ends_s), created_at=begins_s)
    for day, checks in by_day.items():
        window = _midnight_s(day, zone), _midnight_s(day + timedelta(days=1), zone)
        yield _record(service_id, day, checks, sla.seconds_by_kind(_within(intervals, window)))


def _record(service_id: str, day: date, checks: Sequence[SampleCheck], seconds: dict[sla.Kind, int]) -> UptimeRecord:
    good = [check.response_ms for check in checks if check.verdict is not Verdict.BAD]
    figures = sla.figures(seconds, POLICY)
    return UptimeRecord(
        service_id=service_id,
        date=day,
        status=_status(seconds[sla.Kind.DOWN], figures.uptime),
        uptime_percentage=sla.percentage(figures.uptime),
        coverage_percentage=sla.percentage(figures.coverage),
        total_checks=len(checks),
        successful_checks=len(good),
        failed_checks=len(checks) - len(good),
        avg_response_time=sum(good) / len(good) if good else None,
        metadata=SAMPLE,
        **{f"{kind}_s": seconds[kind] for kind in sla.Kind},
    )


def _status(down_s: int, uptime: int | None) -> Status:
    if uptime is None:
        return Status.UNKNOWN
    if not down_s:
        return Status.OPERATIONAL
    return Status.PARTIAL if uptime >= PARTIAL_FROM else Status.DOWN


def _within(intervals: Sequence[sla.Interval], window: tuple[int, int]) -> Iterator[sla.Interval]:
    for kind, start, end in intervals:
        start, end = max(start, window[0]), min(end, window[1])
        if start < end:
            yield sla.Interval(kind, start, end)


def _midnight_s(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp())
