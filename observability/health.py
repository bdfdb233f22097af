"""One answer to "is it well?": apps register their checks, and this folds them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


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


def register(name: str, checker: Checker) -> None:
    """Let a check be part of the answer. It must end by itself within a second or two."""
    _checkers[name] = checker


def examine() -> list[Dependency]:
    """Run every registered check; one that raises is unhealthy, with the class of what it raised, nothing internal."""
    return [_examine(name, checker) for name, checker in _checkers.items()]


def overall(dependencies: list[Dependency]) -> Health:
    """Return the worst of them."""
    order = list(Health)
    return max((dependency.finding.status for dependency in dependencies), key=order.index, default=Health.HEALTHY)


def _examine(name: str, checker: Checker) -> Dependency:
    began = time.perf_counter()
    try:
        finding = checker()
    except Exception as error:
        # Whatever it is, a check that cannot be made is the finding.
        finding = Finding(status=Health.UNHEALTHY, message=type(error).__name__)
    return Dependency(name=name, finding=finding, response_ms=round((time.perf_counter() - began) * 1000, 1))
