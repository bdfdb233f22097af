"""Diagnostics: apps register findings, and `manage.py doctor` and the admin show them.

A finding is a plain sentence with a verdict, and a remedy if something has to be done. `/health` checks several times a
minute whether we work now; the diagnostics check whether we still will tomorrow, and may take a second or two.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext as _


class Verdict(StrEnum):
    """From good to bad."""

    GOOD = "good"
    NOTE = "note"  # for information
    WARNING = "warning"  # will cause trouble
    BAD = "bad"  # is trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Values that belong to a finding, ready to show."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers_from: int = 1  # this column and those after it hold numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    verdict: Verdict
    says: str
    remedy: str = ""  # the action to take, for warnings and errors
    table: Table | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A diagnostic question that can be asked at any time."""

    name: str  # unique, for programs
    area: str
    title: str | Promise
    ask: Callable[[], Finding]
    needs: Sequence[str]  # names of checks that must not be bad; otherwise this one makes no sense


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A check and its finding."""

    check: Check
    finding: Finding


class Doctor:
    """The checks of the diagnostics; apps register theirs with `doctor`."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def register(
        self,
        name: str,
        title: str | Promise,
        ask: Callable[[], Finding],
        *,
        area: str,
        needs: Sequence[str] = ("database",),
    ) -> None:
        """Register a check. It must change nothing and end within a second or two."""
        self._checks[name] = Check(name=name, area=area, title=title, ask=ask, needs=needs)

    def examine(self) -> list[Examined]:
        """Run all checks in their order, independent ones first; skip those whose `needs` are bad."""
        found: dict[str, Examined] = {}
        for check in sorted(self._checks.values(), key=lambda check: len(check.needs)):
            missing = [name for name in check.needs if name in found and found[name].finding.verdict is Verdict.BAD]
            finding = _in_vain(self._checks[missing[0]]) if missing else ask(check)
            found[check.name] = Examined(check=check, finding=finding)
        return [found[name] for name in self._checks]


doctor = Doctor()


def ask(check: Check) -> Finding:
    """Run one check; a check that fails is a finding itself."""
    try:
        return check.ask()
    except Exception as error:
        # An unknown result is a finding, whatever the reason, and the other checks must still run.
        says = _("This could not be determined: %(why)s") % {"why": f"{type(error).__name__}: {error}".strip()}
        return bad(says, _("Fix the problem in the message, then run this again."))


def worst(found: Sequence[Examined]) -> Verdict:
    order = list(Verdict)
    return max((each.finding.verdict for each in found), key=order.index, default=Verdict.GOOD)


def good(says: str, table: Table | None = None) -> Finding:
    return Finding(verdict=Verdict.GOOD, says=says, table=table)


def note(says: str, remedy: str = "", table: Table | None = None) -> Finding:
    return Finding(verdict=Verdict.NOTE, says=says, remedy=remedy, table=table)


def warning(says: str, remedy: str, table: Table | None = None) -> Finding:
    return Finding(verdict=Verdict.WARNING, says=says, remedy=remedy, table=table)


def bad(says: str, remedy: str, table: Table | None = None) -> Finding:
    return Finding(verdict=Verdict.BAD, says=says, remedy=remedy, table=table)


def _in_vain(missing: Check) -> Finding:
    return note(_("Not checked because of: %(title)s") % {"title": missing.title})
