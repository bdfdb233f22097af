"""Health of the monitor: apps register their checks, and this module combines them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum

import httpx

from observability import deadlines
from observability.deadlines import asked

ANSWER_WITHIN_S = 1.5  # all checks together
KEPT_S = 1.0  # seconds for which a result is reused
STARTED = time.monotonic()  # when this process loaded its apps


class Health(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of a check, in words for the operator."""

    status: Health
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A finding with its name and duration."""

    name: str
    finding: Finding
    response_ms: float


Checker = Callable[[], Finding]
_checkers: dict[str, Checker] = {}
_needed_to_serve: set[str] = set()


def register(name: str, checker: Checker, *, needed_to_serve: bool = False) -> None:
    """Register a check; if it has no result in time, it is unhealthy.

    `needed_to_serve`: without it a web process should get no visitors (`/readyz`).
    """
    _checkers[name] = checker
    if needed_to_serve:
        _needed_to_serve.add(name)


def register_url(name: str, url: str) -> None:
    """Register a dependency by its URL: it is healthy if it answers 2xx or 3xx."""
    register(name, lambda: _ask(url))


def examine(*, only_needed_to_serve: bool = False) -> list[Dependency]:
    """Run the checks in parallel; one that raises is unhealthy, with the exception's class and nothing internal."""
    deadline = time.monotonic() + ANSWER_WITHIN_S
    names = [name for name in _checkers if not only_needed_to_serve or name in _needed_to_serve]
    return [_judged(name, future, deadline) for name, future in [(name, _begun(name)) for name in names]]


def recent(*, only_needed_to_serve: bool = False) -> list[Dependency]:
    """Return a current or recent result of `examine`; concurrent callers share one examination."""
    if not deadlines.USE_THREADS:
        return examine(only_needed_to_serve=only_needed_to_serve)
    kept = _kept[only_needed_to_serve]
    with kept.lock:
        if time.monotonic() - kept.at >= KEPT_S:
            kept.found = examine(only_needed_to_serve=only_needed_to_serve)
            kept.at = time.monotonic()
        return kept.found


class _Kept:
    def __init__(self) -> None:
        self.lock, self.found, self.at = threading.Lock(), list[Dependency](), -KEPT_S


_kept = {True: _Kept(), False: _Kept()}


def overall(dependencies: list[Dependency]) -> Health:
    """Return the worst verdict."""
    order = list(Health)
    return max((dependency.finding.status for dependency in dependencies), key=order.index, default=Health.HEALTHY)


Timed = tuple[Finding, float]  # and its duration in seconds


def _begun(name: str) -> "Future[Timed]":
    def timed() -> Timed:
        began = time.perf_counter()
        return _checkers[name](), time.perf_counter() - began

    try:
        return asked(f"health of {name}", timed)
    except Exception as error:  # no thread is available
        failed: Future[Timed] = Future()
        failed.set_exception(error)
        return failed


def _judged(name: str, future: "Future[Timed]", deadline: float) -> Dependency:
    began = time.perf_counter()
    try:
        finding, took_s = future.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        message = f"no answer within {ANSWER_WITHIN_S:g} s"
        finding, took_s = Finding(status=Health.UNHEALTHY, message=message), ANSWER_WITHIN_S
    except Exception as error:
        # A check that can't run is unhealthy, whatever the reason.
        finding = Finding(status=Health.UNHEALTHY, message=type(error).__name__)
        took_s = time.perf_counter() - began
    return Dependency(name=name, finding=finding, response_ms=round(took_s * 1000, 1))


def _ask(url: str) -> Finding:
    status = httpx.get(url, timeout=ANSWER_WITHIN_S).status_code
    return Finding(status=Health.HEALTHY if status < 400 else Health.UNHEALTHY, message=f"answered {status}")
