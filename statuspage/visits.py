"""Count the visits that are answered ahead of Django's stack, which counts all others.

To count each by itself would take half as long as answering it. They are noted as they come, and added to the figures
together, ten times a second; those of the last moment may come with the next visit.
"""

import threading
from collections import defaultdict, deque

from observability import metrics
from observability.harmless import harmless
from observability.request_figures import measure_many

ROUTE = "statuspage:page"
ADDED_EVERY_S = 0.1

_visits = metrics.counter("page_visits", "Visits to the front page.", ["status", "language"])

Kind = tuple[str, str, str]  # method, status, language: few of each


class Visits:
    """Those of this process that are not added yet."""

    def __init__(self) -> None:
        self._noted: defaultdict[Kind, deque[float]] = defaultdict(deque)
        self._add_at = 0.0
        self._adding = threading.Lock()

    def note(self, kind: Kind, began_s: float, now_s: float) -> None:
        """Note one that was answered; both instants are of one steady clock."""
        self._noted[kind].append(now_s - began_s)
        if now_s >= self._add_at and self._adding.acquire(blocking=False):
            try:
                self._add_at = now_s + ADDED_EVERY_S
                with harmless("visits"):
                    self._add()
            finally:
                self._adding.release()

    def _add(self) -> None:
        """Add what is noted by now; other threads go on noting meanwhile."""
        for (method, status, language), noted in list(self._noted.items()):
            seconds = [noted.popleft() for _ in range(len(noted))]
            if seconds:
                measure_many(method, ROUTE, status, seconds)
                _visits.labels(status, language).inc(len(seconds))


visits = Visits()
