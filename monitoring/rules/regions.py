"""Fold the checks of several regions into one verdict a slot. Pure, and a function of the raw checks alone.

A slot is a whole second with a check. The newest check of each region counts for as long as its hold. So the fold of a
slot depends on the checks up to it, never on the order in which they arrived.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple, Protocol

from monitoring.probes.model import Verdict
from monitoring.rules.state import Run


class Answer(NamedTuple):
    """The newest check of one region."""

    at: datetime
    verdict: Verdict
    hold_s: int  # for how long it counts


class Panel(NamedTuple):
    """The regions of a service, and how many of them must fail to call it bad."""

    regions: frozenset[str]
    quorum: int

    @classmethod
    def of(cls, regions: Collection[str], quorum: int | None) -> "Panel":
        """Return the panel of a service; without a quorum, more than half of its regions must agree."""
        return cls(frozenset(regions), quorum or len(regions) // 2 + 1)


class StoredCheck(Protocol):
    """The columns of a raw check that folding needs."""

    @property
    def checked_at(self) -> datetime: ...
    @property
    def region(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def interval_ms(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRules:
    """The rules that were in force at any instant."""

    hold_s: Callable[[datetime, int], int]  # from a check's instant and interval in ms: its hold
    panel_at: Callable[[datetime], Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One slot of a service, folded from all of its regions."""

    at: datetime  # of the last check in the slot
    verdict: Verdict
    hold_s: int
    is_decided: bool  # no missing answer to this slot could make the verdict bad, or not bad

    def run(self) -> Run:
        return Run.of(self.verdict, self.at, self.hold_s)


def fold_verdicts(verdicts: Collection[Verdict], quorum: int) -> Verdict:
    """Return one verdict from those of the regions: bad if the quorum is, slow if some are bad or slow, else ok."""
    bad = sum(verdict is Verdict.BAD for verdict in verdicts)
    # Silent regions do not count, so they cannot prevent a quorum of the others.
    if bad >= min(quorum, len(verdicts)):
        return Verdict.BAD
    return Verdict.OK if all(verdict is Verdict.OK for verdict in verdicts) else Verdict.SLOW


def fold(answers: Mapping[str, Answer], second: int, panel: Panel) -> Slot:
    """Fold the newest answers of the regions for the slot of a second (Unix time), which has at least one answer.

    `answers` must not contain any of later slots. Regions outside the panel count only if no other answered.
    """
    members = [answer for region, answer in answers.items() if region in panel.regions]
    if not any(second_of(answer.at) == second for answer in members):
        members = list(answers.values())
    own = [answer for answer in members if second_of(answer.at) == second]
    speaking = [answer for answer in members if second_of(answer.at) + answer.hold_s >= second]
    verdict = fold_verdicts([answer.verdict for answer in speaking], panel.quorum)
    needed = min(panel.quorum, len(speaking))
    bad = sum(answer.verdict is Verdict.BAD for answer in own)
    good_needed = len(speaking) - needed + 1  # with so many good ones, the rest cannot reach the quorum
    is_decided = bad >= needed if verdict is Verdict.BAD else len(own) - bad >= good_needed
    return Slot(
        at=max(answer.at for answer in own),
        verdict=verdict,
        hold_s=max(answer.hold_s for answer in own),
        is_decided=is_decided,
    )


def fold_slots(checks: Iterable[StoredCheck], rules: FoldRules) -> Iterator[Slot]:
    """Yield the slots of checks, which are in order of time and may come from any regions.

    The first slots are right only if `checks` include the last one of each region before them.
    """
    answers: dict[str, Answer] = {}
    for second, slot in groupby(checks, key=lambda check: second_of(check.checked_at)):
        for check in slot:
            hold_s = rules.hold_s(check.checked_at, check.interval_ms)
            answers[check.region] = Answer(check.checked_at, Verdict(check.verdict), hold_s)
        yield fold(answers, second, rules.panel_at(check.checked_at))


def second_of(at: datetime) -> int:
    """Floor an instant to its Unix second, as the accounting does."""
    return int(at.timestamp() // 1)
