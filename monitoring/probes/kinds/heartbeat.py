"""The heartbeat: not probed. The target reports to us, and its silence is the failure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from monitoring.probes.kind import Kind
from monitoring.probes.settings import Notes, Problem, Settings, is_text, setting

DAY_S = 86_400
LONGEST_S = 62 * DAY_S  # 2.5 times the longest interval that a check can carry (2³¹ ms)
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": DAY_S, "w": 7 * DAY_S}
CURRENT = datetime(2025, 1, 1, tzinfo=UTC)  # any instant from which the times of an expression are looked at
CRON_TIMES_CHECKED = 1_500  # more than a day of minutes
_DURATION = re.compile(r"([0-9]{1,9}) ?([smhdw])", re.ASCII)


def duration(value: Any, notes: Notes) -> int:
    """Read seconds, or text such as `15m`, `12h`, `1d`. A `Reader`."""
    if isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        seconds = int(found[1]) * UNITS_S[found[2]]
    else:
        notes.add("%(value)s is not a duration. Enter seconds, or a number and one of s, m, h, d, w: 15m.", value)
        return 0
    if not 1 <= seconds <= LONGEST_S:
        notes.add("%(value)s is out of range. Enter at least 1 s and at most 62 days.", value)
    return seconds


@lru_cache(maxsize=1_000)
def cron_fault(expression: str) -> tuple[str, str] | None:
    """Return why a cron expression cannot be used, as a msgid with `why`; None if it can."""
    if len(expression.split()) != 5:
        message = "%(value)s is not a cron expression of five fields: minute, hour, day, month, weekday."
        return message, ""
    try:
        times = [CURRENT, *islice(CronSim(expression, CURRENT), CRON_TIMES_CHECKED)]
    except (CronSimError, ValueError) as error:
        message = "%(value)s is not a cron expression: %(why)s."
        return message, str(error)
    if len(times) < 2 or any(after - before > timedelta(seconds=LONGEST_S) for before, after in pairwise(times)):
        message = "%(value)s has a time in more than 62 days. Choose times that are nearer to each other."
        return message, ""
    return None


def cron(value: Any, notes: Notes) -> str:
    """Read a cron expression. A `Reader`."""
    if is_text(value, notes) and (fault := cron_fault(value)):
        notes.add(fault[0], value, why=fault[1])
    return str(value)


def zone_name(value: Any, notes: Notes) -> str:
    """Read the name of a time zone. A `Reader`."""
    try:
        if is_text(value, notes):
            ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # unknown, `../etc`, a folder such as `Europe`
        notes.add("%(value)s is not a time zone. Enter a name such as Europe/Berlin.", value)
    return str(value)


def _time(default: int | None, **about: Any) -> Any:
    """Make a setting that is a length of time; `about` is as in `Setting`."""
    return setting(default, unit="s", low=1, high=LONGEST_S, reader=duration, **about)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatSettings(Settings):
    period: int = _time(
        DAY_S,
        label="Reports every",
        placeholder="1d",
        help="Longest time between two reports, in seconds or as text such as 15m, 12h, 1d.",
        example="1d",
    )
    grace: int = _time(
        3_600,
        label="Grace period",
        placeholder="1h",
        help="Additional time after the period before a missing report is a failure, in the same format.",
        example="30m",
    )
    schedule: str | None = setting(
        None,
        label="Schedule",
        help="Cron expression of the job, used instead of the period: minute, hour, day, month, weekday.",
        example="30 2 * * *",
        reader=cron,
    )
    time_zone: str = setting(
        "UTC",
        label="Time zone",
        help="Time zone of the schedule; where clocks are set, the job is expected as cron runs it.",
        example="Europe/Berlin",
        reader=zone_name,
    )
    max_run: int | None = _time(
        None,
        label="Longest run",
        help="Longest time between start and end of a run, in the format of the period; a start is then in time, too.",
        example="2h",
    )

    def problems(self) -> Iterator[Problem]:
        if self.period + self.grace + (self.max_run or 0) > LONGEST_S:
            yield Problem("period", None, "period, grace and longest run together may be at most 62 days.")

    def due_after(self, at: datetime) -> datetime:
        """Return when the job must report next, at the latest and without the grace, after a report."""
        if self.schedule is None:
            return at + timedelta(seconds=self.period)
        return next(CronSim(self.schedule, at.astimezone(ZoneInfo(self.time_zone)))).astimezone(UTC)


KIND = Kind(name="heartbeat", label="Heartbeat", settings=HeartbeatSettings)
