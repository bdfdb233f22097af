"""One answer to "is it well?": apps register their checks, and this folds them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import httpx

from observability.deadlines import answer_within

ANSWER_WITHIN_S = 2.0
STARTED = time.monotonic()  # when this process loaded its apps


class Health(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found, in words for the operator."""

    status: Health
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A finding by its name, and how long it took to find."""

    name: str
    finding: Finding
    response_ms: float


Checker = Callable[[], Finding]
_checkers: dict[str, Checker] = {}
_needed_to_serve: set[str] = set()


def register(name: str, checker: Checker, *, needed_to_serve: bool = False) -> None:
    """Let a check be part of the answer; what takes longer than two seconds is unhealthy.

    `needed_to_serve`: without it a web process should get no visitors (`/readyz`).
    """
    _checkers[name] = checker
    if needed_to_serve:
        _needed_to_serve.add(name)


def register_url(name: str, url: str) -> None:
    """Let a dependency be asked by its URL: it is well when it answers 2xx or 3xx."""
    register(name, lambda: _ask(url))


def examine(*, only_needed_to_serve: bool = False) -> list[Dependency]:
    """Run the checks; one that raises is unhealthy, with the class of what it raised, nothing internal."""
    names = [name for name in _checkers if not only_needed_to_serve or name in _needed_to_serve]
    return [_examine(name, _checkers[name]) for name in names]


def overall(dependencies: list[Dependency]) -> Health:
    """Return the worst of them."""
    order = list(Health)
    return max((dependency.finding.status for dependency in dependencies), key=order.index, default=Health.HEALTHY)


def _examine(name: str, checker: Checker) -> Dependency:
    began = time.perf_counter()
    try:
        finding = answer_within(f"health of {name}", ANSWER_WITHIN_S, checker)
    except TimeoutError:
        finding = Finding(status=Health.UNHEALTHY, message=f"no answer within {ANSWER_WITHIN_S:g} s")
    except Exception as error:
        # Whatever it is, a check that cannot be made is the finding.
        finding = Finding(status=Health.UNHEALTHY, message=type(error).__name__)
    return Dependency(name=name, finding=finding, response_ms=round((time.perf_counter() - began) * 1000, 1))


def _ask(url: str) -> Finding:
    status = httpx.get(url, timeout=ANSWER_WITHIN_S).status_code
    return Finding(status=Health.HEALTHY if status < 400 else Health.UNHEALTHY, message=f"answered {status}")
