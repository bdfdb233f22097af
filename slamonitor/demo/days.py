"""Account a made-up past as time: its outages, and its days in the time zone of the page."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from monitoring.models import UptimeRecord
from monitoring.probes.model import Verdict
from monitoring.state import Status
from slamonitor.demo.past import Past, SampleCheck

SAMPLE = {"sample": True}
TOLD_FROM = timedelta(minutes=10)

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
    """Account the past by days of the page, as time: uptime is what was not down of a day, floored.

    The first day counts from the first check, today until now.
    """
    by_day: dict[date, list[SampleCheck]] = {}
    for check in past.checks:
        by_day.setdefault(check.at.astimezone(zone).date(), []).append(check)
    down = list(outages(past, now))
    for day, checks in by_day.items():
        begins = max(_midnight(day, zone), past.checks[0].at)
        ends = min(_midnight(day + timedelta(days=1), zone), now)
        seconds = int((ends - begins).total_seconds())
        down_s = sum(_overlap_s(outage, (begins, ends)) for outage in down)
        good = [check.response_ms for check in checks if check.verdict is not Verdict.BAD]
        yield UptimeRecord(
            service_id=service_id,
            date=day,
            status=_day_status(down_s, seconds),
            uptime_percentage=_floored_percentage(seconds - down_s, seconds),
            total_checks=len(checks),
            successful_checks=len(good),
            failed_checks=len(checks) - len(good),
            avg_response_time=sum(good) / len(good) if good else None,
            metadata=SAMPLE,
        )


def _day_status(down_s: int, seconds: int) -> Status:
    if not down_s:
        return Status.OPERATIONAL
    return Status.PARTIAL if down_s * 20 <= seconds else Status.DOWN  # 95 % and more is partial


def _overlap_s(one: Stretch, other: Stretch) -> int:
    return max(0, int((min(one[1], other[1]) - max(one[0], other[0])).total_seconds()))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _floored_percentage(up: int, total: int) -> Decimal | None:
    return Decimal(up * 10_000 // total).scaleb(-2) if total else None
