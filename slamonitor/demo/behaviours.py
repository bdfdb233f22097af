"""How the targets of the demonstration behave, now and in their sample past.

Both the live targets and the sample data use these pure functions. Instants must be in the time zone of the page,
because evenings and weeks are local.
"""

import math
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from hashlib import blake2b
from http import HTTPStatus

SLOW_OVER_MS = 800
HANGS_MS = 60_000.0  # longer than any timeout
FLAP_EVERY_S = 360
DEEP_NIGHT_H, EVENING_FROM_H, EVENING_UNTIL_H = 4, 18, 24


class Kind(StrEnum):
    """A behaviour; its value is the path of the target that shows it."""

    STEADY = "steady"
    FAST = "fast"
    EVENING = "slow-in-the-evening"
    FLAPPING = "flapping"
    TWICE_A_WEEK = "down-twice-a-week"


@dataclass(frozen=True, slots=True)
class Answer:
    """The status of a response, and its latency."""

    status: HTTPStatus
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A period in which a target fails. Its bounds are local times without a zone."""

    begins: datetime
    ends: datetime
    hangs: bool  # True: no response; False: 503


def answer(kind: Kind, at: datetime) -> Answer:
    """Return the answer of a target at a local instant. It is always the same for the same millisecond."""
    match kind:
        case Kind.STEADY:
            return Answer(HTTPStatus.OK, _latency_ms(kind, at, base=110, swing=40))
        case Kind.FAST:
            return Answer(HTTPStatus.OK, _latency_ms(kind, at, base=24, swing=8))
        case Kind.EVENING:
            return Answer(HTTPStatus.OK, _latency_ms(kind, at, base=160, swing=90) + 1_100 * _evening(at))
        case Kind.FLAPPING:
            if _is_flapping(at):
                return Answer(HTTPStatus.BAD_GATEWAY, _latency_ms(kind, at, base=8, swing=0))
            return Answer(HTTPStatus.OK, _latency_ms(kind, at, base=140, swing=60))
        case Kind.TWICE_A_WEEK:
            outage = outage_at(at)
            if outage is None:
                return Answer(HTTPStatus.OK, _latency_ms(kind, at, base=210, swing=120))
            if outage.hangs:
                return Answer(HTTPStatus.OK, HANGS_MS)
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, _latency_ms(kind, at, base=15, swing=0))


def outage_at(at: datetime) -> Outage | None:
    """Return the present outage of the target that is down twice a week, or None."""
    local = at.replace(tzinfo=None)
    monday = local.date() - timedelta(days=local.weekday())
    return next((outage for outage in outages_of_week(monday) if outage.begins <= local < outage.ends), None)


def outages_of_week(monday: date) -> tuple[Outage, Outage]:
    """Return the two outages of a week, always the same ones: an early one with 503, a late one that hangs."""
    midnight = datetime.combine(monday, time())

    def choose(number: int, from_day: int, days: int) -> Outage:
        minutes = int(_chance(f"{monday} {number} begin") * days * 1440)
        # It ends well before midnight on Sunday, so that no outage spans two weeks.
        begins = midnight + timedelta(days=from_day, minutes=minutes)
        lasts = timedelta(minutes=15 + int(_chance(f"{monday} {number} length") * 95))
        return Outage(begins=begins, ends=begins + lasts, hangs=number == 1)

    return choose(0, 0, 3), choose(1, 3, 3)


def _is_flapping(at: datetime) -> bool:
    """Return whether the flapping target fails: once every six minutes, for about twenty seconds."""
    block, within_s = divmod(at.timestamp(), FLAP_EVERY_S)
    lasts_s = 15 + 12 * _chance(f"flap {block:.0f} length")
    begins_s = (FLAP_EVERY_S - lasts_s) * _chance(f"flap {block:.0f} begin")
    return begins_s <= within_s < begins_s + lasts_s


def _latency_ms(kind: Kind, at: datetime, *, base: float, swing: float) -> float:
    """Return a latency that varies over the day (lowest at 4:00), with some noise and occasional outliers."""
    noise = _chance(f"{kind} {at.timestamp():.3f}")
    day = 0.5 - 0.5 * math.cos((_hour(at) - DEEP_NIGHT_H) / 24 * math.tau)
    return base + swing * day + base * (0.35 * noise + 1.5 * noise**24)


def _evening(at: datetime) -> float:
    """Return a factor that rises from 0 at 18:00 to 1 at 21:00 and falls back to 0 at midnight."""
    share = (_hour(at) - EVENING_FROM_H) / (EVENING_UNTIL_H - EVENING_FROM_H)
    return math.sin(share * math.pi) if 0 < share < 1 else 0.0


def _hour(at: datetime) -> float:
    return at.hour + at.minute / 60 + at.second / 3600


def _chance(about: str) -> float:
    """Return a pseudorandom number in [0, 1) that depends only on the text."""
    return int.from_bytes(blake2b(about.encode(), digest_size=6).digest(), "big") / 2**48
