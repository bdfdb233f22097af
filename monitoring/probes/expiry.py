"""The settings of kinds whose target expires, and the judgement of how long it still lasts."""

from collections.abc import Iterator
from typing import Any, Protocol

from monitoring.probes.failures import bad, printable
from monitoring.probes.model import ErrorType, Finding, Verdict
from monitoring.probes.net.certificates import DAY_S
from monitoring.probes.settings import Problem, setting

MOST_DAYS = 3_650


class Limits(Protocol):
    """Settings with the two fields below."""

    @property
    def warn_days(self) -> int: ...
    @property
    def critical_days(self) -> int | None: ...


def warn_days(default: int, what: str) -> Any:
    """Make the setting `warn_days` for `what` expires."""
    help = f"A {what} that expires sooner than this is slow; 0 turns the warning off."
    return setting(default, label="Warn before expiry", help=help, unit="days", low=0, high=MOST_DAYS)


def critical_days(what: str) -> Any:
    """Make the setting `critical_days` for `what` expires."""
    help = f"A {what} that expires sooner than this is bad, as is an expired one."
    return setting(None, label="Fail before expiry", help=help, unit="days", low=0, high=MOST_DAYS)


def limit_problems(settings: Limits) -> Iterator[Problem]:
    """Yield the problem between the two."""
    if settings.critical_days is not None and settings.warn_days and settings.critical_days >= settings.warn_days:
        message = "it must be less than warn_days, which is %(warn_days)s."
        yield Problem("critical_days", settings.critical_days, message, {"warn_days": settings.warn_days})


def judge_left(left_s: float, words: str, settings: Limits, error_type: ErrorType) -> Finding:
    """Return the finding for the time that is left; `words` say when it ends."""
    if left_s < 0 or (settings.critical_days is not None and left_s < settings.critical_days * DAY_S):
        return bad(error_type, words)
    if left_s < settings.warn_days * DAY_S:
        return Finding(Verdict.SLOW, None, printable(words, 300))
    return Finding(Verdict.OK)
