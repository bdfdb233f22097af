"""How the targets of the demonstration behave. Pure: the live target and the sample of the past both ask here.

Instants are given in the time zone of the page, since evenings and weeks are meant as people there live them.
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
    """A character, and the path under which the target shows it."""

    STEADY = "steady"
    FAST = "fast"
    EVENING = "slow-in-the-evening"
    FLAPPING = "flapping"
    TWICE_A_WEEK = "down-twice-a-week"


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a request, and its latency."""

    status: HTTPStatus
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A stretch of local time, without zone, in which a target fails."""

    begins: datetime
    ends: datetime
    hangs: bool  # it does not answer; otherwise it says that it is unavailable


def answer(kind: Kind, at: datetime) -> Answer:
    """Say how a target answers a request at a local instant; always the same for the same millisecond."""
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
    """Return the outage of the target that is down twice a week, while there is one."""
    local = at.replace(tzinfo=None)
    monday = local.date() - timedelta(days=local.weekday())
    return next((outage for outage in outages_of_week(monday) if outage.begins <= local < outage.ends), None)


def outages_of_week(monday: date) -> tuple[Outage, Outage]:
    """Choose two outages of a week, always the same ones: one early in it that answers, one late that hangs."""
    midnight = datetime.combine(monday, time())

    def choose(number: int, from_day: int, days: int) -> Outage:
        minutes = int(_chance(f"{monday} {number} begin") * days * 1440)
        # Over well before Sunday's midnight, so that no outage belongs to two weeks.
        begins = midnight + timedelta(days=from_day, minutes=minutes)
        lasts = timedelta(minutes=15 + int(_chance(f"{monday} {number} length") * 95))
        return Outage(begins=begins, ends=begins + lasts, hangs=number == 1)

    return choose(0, 0, 3), choose(1, 3, 3)


def _is_flapping(at: datetime) -> bool:
    """Fail once in every six minutes, for about twenty seconds: too short to act on, often enough to annoy."""
    block, within_s = divmod(at.timestamp(), FLAP_EVERY_S)
    lasts_s = 15 + 12 * _chance(f"flap {block:.0f} length")
    begins_s = (FLAP_EVERY_S - lasts_s) * _chance(f"flap {block:.0f} begin")
    return begins_s <= within_s < begins_s + lasts_s


def _latency_ms(kind: Kind, at: datetime, *, base: float, swing: float) -> float:
    """Follow the day (quickest at four in the morning), with a little noise and now and then a straggler."""
    noise = _chance(f"{kind} {at.timestamp():.3f}")
    day = 0.5 - 0.5 * math.cos((_hour(at) - DEEP_NIGHT_H) / 24 * math.tau)
    return base + swing * day + base * (0.35 * noise + 1.5 * noise**24)


def _evening(at: datetime) -> float:
    """Rise from 0 at the beginning of the evening to 1 in the middle of it, and fall back."""
    share = (_hour(at) - EVENING_FROM_H) / (EVENING_UNTIL_H - EVENING_FROM_H)
    return math.sin(share * math.pi) if 0 < share < 1 else 0.0


def _hour(at: datetime) -> float:
    return at.hour + at.minute / 60 + at.second / 3600


def _chance(about: str) -> float:
    """Return a number from 0 to below 1 that looks random and is always the same for the same words."""
    return int.from_bytes(blake2b(about.encode(), digest_size=6).digest(), "big") / 2**48
