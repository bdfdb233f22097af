"""Compare the recorded runs of a day with its raw checks, in the same pass in which the roll-up counts them."""

from collections.abc import Sequence
from datetime import datetime, tzinfo

from monitoring.accounting import run_audit
from monitoring.checks import day_checks
from monitoring.checks.day_checks import DayOfChecks
from monitoring.rules.calendar_days import day_of
from monitoring.rules.state import Run
from monitoring.states.fold_rules import RuleBook


class Auditor:
    """Take the days of some services as they are read, and rebuild the runs that differ. Use within one transaction."""

    def __init__(self, ids: Sequence[str], window: tuple[datetime, datetime], now: datetime, zone: tzinfo) -> None:
        self._window, self._now, self._zone = window, now, zone
        self._book = RuleBook(ids, window[0], now, zone)
        # A service without raw checks must have no recorded run.
        self._raw: dict[str, list[Run]] = {id: [] for id in self._book.service_ids}

    def take(self, day: DayOfChecks) -> None:
        """Encode the checks of a service on the day."""
        id = day.service_id
        if id in self._raw and self._book.folds_regions(id):
            # Read again, with the last answer of each region before the day.
            self._raw[id] = run_audit.raw_runs(id, *self._window, self._book.of(id))
        elif id in self._raw:
            self._raw[id] = day_checks.runs(day, self._book.gap_factor(id, day_of(self._window[0], self._zone)))

    def mend(self) -> list[str]:
        """Compare, rebuild the runs that differ, and return the ids of their services."""
        deciding = {id: self._book.deciding(id) for id in self._raw}
        found = run_audit.suspects(self._raw, *self._window, deciding)
        return run_audit.mend(found, *self._window, self._now, self._zone)
