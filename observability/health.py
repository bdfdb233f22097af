"""Health of the monitor: apps register their checks, and this module combines them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum

import httpx

from observability import deadlines
from observability.deadlines import Asker

ANSWER_WITHIN_S = 1.5  # all checks together
ANSWER_KEPT_S = 1.0  # seconds for which a result is reused
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
Timed = tuple[Finding, float]  # and the seconds it took


class HealthChecks:
    """The health checks of one examination; apps register theirs with `checks`."""

    def __init__(
        self, asker: Asker | None = None, *, answer_within_s: float = ANSWER_WITHIN_S, kept_s: float = ANSWER_KEPT_S
    ) -> None:
        self.kept_s = kept_s
        self._asker, self._answer_within_s = asker, answer_within_s
        self._checkers: dict[str, Checker] = {}
        self._needed_to_serve: set[str] = set()
        self._kept = {True: _Kept(), False: _Kept()}

    def register(self, name: str, checker: Checker, *, needed_to_serve: bool = False) -> None:
        """Register a check; if it has no result in time, it is unhealthy.

        `needed_to_serve`: without it a web process should get no visitors (`/readyz`).
        """
        self._checkers[name] = checker
        if needed_to_serve:
            self._needed_to_serve.add(name)

    def register_url(self, name: str, url: str) -> None:
        """Register a dependency by its URL: it is healthy if it answers 2xx or 3xx."""
        self.register(name, lambda: _ask(url))

    def examine(self, *, only_needed_to_serve: bool = False) -> list[Dependency]:
        """Run the checks in parallel; one that raises is unhealthy, with the exception's class."""
        deadline = time.monotonic() + self._answer_within_s
        names = [name for name in self._checkers if not only_needed_to_serve or name in self._needed_to_serve]
        begun = [(name, self._begun(name)) for name in names]
        return [self._judged(name, future, deadline) for name, future in begun]

    def recent(self, *, only_needed_to_serve: bool = False) -> list[Dependency]:
        """Return a result of `examine` that is at most `kept_s` old; concurrent callers share one examination."""
        kept = self._kept[only_needed_to_serve]
        with kept.lock:
            if time.monotonic() - kept.at >= self.kept_s:
                kept.found = self.examine(only_needed_to_serve=only_needed_to_serve)
                kept.at = time.monotonic()
            return kept.found

    def _begun(self, name: str) -> "Future[Timed]":
        def timed() -> Timed:
            began = time.perf_counter()
            return self._checkers[name](), time.perf_counter() - began

        try:
            return (self._asker or deadlines.asker).asked(f"health of {name}", timed)
        except Exception as error:  # no thread is available
            failed: Future[Timed] = Future()
            failed.set_exception(error)
            return failed

    def _judged(self, name: str, future: "Future[Timed]", deadline: float) -> Dependency:
        began = time.perf_counter()
        try:
            finding, took_s = future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            message = f"no answer within {self._answer_within_s:g} s"
            finding, took_s = Finding(status=Health.UNHEALTHY, message=message), self._answer_within_s
        except Exception as error:
            # A check that can't run is unhealthy, whatever the reason. Only the class is shown: nothing internal.
            finding = Finding(status=Health.UNHEALTHY, message=type(error).__name__)
            took_s = time.perf_counter() - began
        return Dependency(name=name, finding=finding, response_ms=round(took_s * 1000, 1))


class _Kept:
    def __init__(self) -> None:
        self.lock, self.found, self.at = threading.Lock(), list[Dependency](), float("-inf")


checks = HealthChecks()


def overall(dependencies: list[Dependency]) -> Health:
    """Return the worst verdict."""
    order = list(Health)
    return max((dependency.finding.status for dependency in dependencies), key=order.index, default=Health.HEALTHY)


def _ask(url: str) -> Finding:
    status = httpx.get(url, timeout=ANSWER_WITHIN_S).status_code
    return Finding(status=Health.HEALTHY if status < 400 else Health.UNHEALTHY, message=f"answered {status}")
