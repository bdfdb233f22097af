"""Keep the finished page in memory, and notice when it is out of date.

Each visit only looks at the clock. When a poll is due, one visit sets it off in a thread of its own: it compares the
change counter, and reads and renders anew only when that moved or the page is five seconds old. So no visitor ever
waits for the database longer than a moment, however long it hangs, and a page with visitors costs it four small
queries a second at most.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import Error, connections

from database import changes
from statuspage import readmodel
from statuspage.readmodel import PageModel
from statuspage.rendering import Answer, render

logger = logging.getLogger(__name__)

POLL = timedelta(milliseconds=250)
REREAD = timedelta(seconds=5)  # ages and response times move with every check, and no change is counted for those
TRUST = timedelta(milliseconds=500)  # how long after a poll a page is served without waiting for the next one
STALE = timedelta(seconds=15)
STALE_STEP = timedelta(seconds=10)  # how often a stale page is rendered again, for its age
NEVER = datetime.min.replace(tzinfo=UTC)
PATIENCE_S, FIRST_PATIENCE_S = 1.0, 5.0

Job = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """The page in all languages, and what it was made of."""

    model: PageModel
    answers: dict[str, Answer]
    stale_steps: int = 0


def run_apart(job: Job) -> None:
    """Run a job in a thread, which ends with the process and leaves no connection behind."""

    def body() -> None:
        try:
            job()
        finally:
            connections.close_all()

    threading.Thread(target=body, name="page", daemon=True).start()


class Keeper:
    """Holds the newest edition; one per process."""

    def __init__(self, run: Callable[[Job], None] = run_apart) -> None:
        self._run = run
        self._edition: Edition | None = None
        self._stale: Edition | None = None
        self._polled_at = self._confirmed_at = NEVER  # begin of the last poll, and of the last that succeeded
        self._is_failing = False
        self._polling = threading.Lock()
        self._done = threading.Event()  # of the poll that runs or ran last

    def edition(self, now: datetime) -> Edition | None:
        """Return the page to serve now; None while the database has never been reached."""
        if not _within(POLL, self._polled_at, now) and self._polling.acquire(blocking=False):
            self._polled_at = now
            self._done.clear()
            self._run(lambda: self._poll(now))
        must_wait = not self._is_failing and not _within(TRUST, self._confirmed_at, now)
        if must_wait and not self._done.wait(PATIENCE_S if self._edition else FIRST_PATIENCE_S):
            # Once one visitor has waited in vain, nobody waits again until a poll succeeds: threads are few.
            self._is_failing = True
        edition = self._edition
        if edition is None or now - edition.model.read_at < STALE:
            return edition
        return self._marked_stale(edition.model, now)

    def _poll(self, now: datetime) -> None:
        succeeded = False
        try:
            self._bring_up_to_date(now)
            succeeded = True
        except Error as error:
            if not self._is_failing:
                logger.warning("page cannot be read, the last one is served", extra={"error": str(error).strip()})
        finally:
            self._is_failing = not succeeded
            self._done.set()
            self._polling.release()

    def _bring_up_to_date(self, now: datetime) -> None:
        change, kept = changes.current("page"), self._edition
        if kept is None or kept.model.change != change or not _within(REREAD, kept.model.read_at, now):
            model = readmodel.read(now, change, settings.PAGE_TIME_ZONE)
            self._edition = Edition(model=model, answers=render(model))
        self._confirmed_at = now

    def _marked_stale(self, model: PageModel, now: datetime) -> Edition:
        """Return the page with a word on its age. Several threads may render the same at once, which does no harm."""
        steps, stale = (now - model.read_at) // STALE_STEP, self._stale
        if stale is None or stale.model is not model or stale.stale_steps != steps:
            stale = self._stale = Edition(model=model, answers=render(model, stale_at=now), stale_steps=steps)
        return stale


def _within(span: timedelta, since: datetime, now: datetime) -> bool:
    """Tell whether less than a span has passed; a clock that was set back counts as long ago."""
    return timedelta(0) <= now - since < span


keeper = Keeper()
