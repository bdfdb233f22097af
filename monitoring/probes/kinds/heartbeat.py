"""The heartbeat: not probed. The target reports to us, and its silence is the failure."""

import re
from dataclasses import dataclass
from typing import Any

from monitoring.probes.kind import Kind
from monitoring.probes.settings import Notes, Settings, setting

DAY_S = 86_400
LONGEST_S = 62 * DAY_S
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": DAY_S, "w": 7 * DAY_S}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatSettings(Settings):
    period: int = setting(
        DAY_S,
        label="Reports every",
        placeholder="1d",
        help="Longest time between two reports, in seconds or as text such as 15m, 12h, 1d.",
        unit="s",
        low=1,
        high=LONGEST_S,
        example="1d",
        reader=duration,
    )
    grace: int = setting(
        3_600,
        label="Grace period",
        placeholder="1h",
        help="Additional time after the period before a missing report is a failure, in the same format.",
        unit="s",
        low=1,
        high=LONGEST_S,
        example="30m",
        reader=duration,
    )


KIND = Kind(name="heartbeat", label="Heartbeat", settings=HeartbeatSettings)
