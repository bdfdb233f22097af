"""A fault, and the outcome of injecting it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from threading import Timer
from typing import Any

from bench.faults.stage import Evidence, Stage

RECOVERS_WITHIN_S = 10.0
DIES_AFTER_S = 1.0  # a target dies this long after a fault began


class NotShown(Exception):
    """This machine doesn't allow us to inject the fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault to inject."""

    name: str
    promise: str
    # Injects the fault and repairs everything that doesn't recover by itself; returns observations in words. Raises
    # NotShown, or AssertionError for a broken promise.
    strike: Callable[[Stage], str]
    recovers_within_s: float = RECOVERS_WITHIN_S
    loses_no_slot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a fault."""

    name: str
    promise: str
    verdict: str  # kept, broken, not shown
    measured: str
    evidence: Evidence | None = None

    def row(self) -> str:
        return f"| {self.name} | {self.promise} | {self.verdict} | {self.measured} |"


def show(fault: Fault, stage: Stage) -> Outcome:
    """Inject, wait, collect, and judge. A fault that can't be injected is reported as such, never as passed."""

    def outcome(verdict: str, measured: str, evidence: Evidence | None = None) -> Outcome:
        return Outcome(name=fault.name, promise=fault.promise, verdict=verdict, measured=measured, evidence=evidence)

    begun = now()
    death = Timer(DIES_AFTER_S, stage.dying_target.tell, ["fail"])
    death.start()
    try:
        said = fault.strike(stage)
        lifted = now()
        death.join()
        evidence = stage.evidence(begun, begun + timedelta(seconds=DIES_AFTER_S), lifted)
    except NotShown as reason:
        return outcome("not shown", str(reason))
    except AssertionError as error:
        return outcome("broken", str(error).splitlines()[0])
    finally:
        death.join()
        stage.dying_target.tell("answer")
    broken = list(evidence.broken(fault.recovers_within_s))
    if fault.loses_no_slot and evidence.missing:
        broken.append(f"{evidence.missing} slots lost")
    measured = ", ".join(filter(None, [said, _words(evidence)]))
    return outcome("broken" if broken else "kept", "; ".join([*broken, measured]), evidence)


def now() -> datetime:
    return datetime.now(UTC)


def _words(evidence: Evidence) -> str:
    gap = f"{evidence.missing} slots missing" if evidence.missing else "no slot missing"
    unknown = f", {evidence.unknown_s} s unknown" if evidence.unknown_s else ""
    told = f"outage told after {evidence.told_after_s:.1f} s"
    return f"full rate after {evidence.recovery_s:.1f} s, {gap}{unknown}, {evidence.doubled} doubled, {told}"


def table(outcomes: list[Outcome]) -> str:
    head = ["| fault | promise | | measured |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *(outcome.row() for outcome in outcomes)])


def as_json(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    return [asdict(outcome) for outcome in outcomes]
