"""Keep the rendered page in memory, and notice when it is out of date.

Each visit only looks at the clock. When a poll is due, a visit starts it in the page's own thread. The poll compares
the change counter. If that has risen, or the page is five seconds old, it reads the page again and renders it in the
languages that visitors asked for. So no visitor waits for the database longer than a moment, however long it hangs,
and a page with visitors costs it at most four small queries a second.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue

from django.conf import settings
from django.db import Error, connections

from database import changes
from statuspage import readmodel
from statuspage.readmodel import PageModel
from statuspage.rendering import Answer, render

logger = logging.getLogger(__name__)

POLL_INTERVAL = timedelta(milliseconds=250)
# Ages and response times change with every check, and no change is counted for those.
REREAD_INTERVAL = timedelta(seconds=5)
POLL_TRUSTED_FOR = timedelta(milliseconds=500)  # for which a page is served without waiting for the next poll
STALE_AFTER = timedelta(seconds=15)
STALE_RENDER_INTERVAL = timedelta(seconds=10)  # how often a stale page is rendered again, for its age
NEVER = datetime.min.replace(tzinfo=UTC)
STALE_READ_TIMEOUT_S, READ_TIMEOUT_S, FIRST_READ_TIMEOUT_S = 0.05, 1.0, 5.0

Job = Callable[[], None]


class Edition:
    """The page as of one reading, rendered in a language when it is first requested."""

    def __init__(self, model: PageModel, *, stale_at: datetime | None = None, languages: Iterable[str] = ()) -> None:
        self.model = model
        self.stale_at = stale_at  # when the page became too old to be shown without a notice
        self.asked: set[str] = set()  # languages that visitors asked for
        self._answers = {code: render(model, code, stale_at) for code in languages}
        self._rendering = threading.Lock()

    def finished(self, language: str) -> Answer | None:
        """Return the page for a visitor if it is rendered already."""
        self.asked.add(language)
        return self._answers.get(language)

    def answer(self, language: str) -> Answer:
        """Return the page for a visitor, rendering it if necessary."""
        answer = self.finished(language)
        if answer is None:
            with self._rendering:
                answer = self._answers.get(language) or render(self.model, language, self.stale_at)
                self._answers[language] = answer
        return answer


class Apart:
    """Runs jobs in sequence in a thread that lasts as long as the process; a thread for each would cost more."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._starting = threading.Lock()
        self._is_started = False

    def __call__(self, job: Job) -> None:
        self._jobs.put(job)
        if not self._is_started:
            with self._starting:
                if not self._is_started:
                    threading.Thread(target=self._work, name="page", daemon=True).start()
                    self._is_started = True

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except Exception:
                logger.exception("page cannot be made")
            finally:
                connections.close_all()  # back to the pool


class Keeper:
    """Holds the newest edition; one per process."""

    def __init__(self, run: Callable[[Job], None] | None = None) -> None:
        self._run = run or Apart()
        self._edition: Edition | None = None
        self._stale: Edition | None = None
        self._polled_at = self._confirmed_at = NEVER  # start of the last poll, and of the last successful one
        self._is_failing = False
        self._polling = threading.Lock()
        self._done = threading.Event()  # of the poll that runs or ran last

    def edition(self, now: datetime) -> Edition | None:
        """Return the page to serve now; None while the database has never been reached."""
        self._poll_if_due(now)
        if self._must_wait(now) and not self._done.wait(self._patience_s(now)):
            # Once a visitor has waited in vain, none waits until a poll succeeds, because there are few threads.
            self._is_failing = True
        edition = self._edition
        if edition is None or now - edition.model.read_at < STALE_AFTER:
            return edition
        return self._marked_stale(edition.model, now)

    def edition_at_once(self, now: datetime) -> Edition | None:
        """Return the page to serve now without waiting; None if it must first be read or marked as stale.

        The caller makes sure that polls go on without visitors. So the page is at most one poll old while the database
        answers; while it doesn't, there is nothing newer.
        """
        self._poll_if_due(now)
        edition = self._edition
        if edition is None or now - edition.model.read_at < STALE_AFTER:
            return edition
        return self._stale if _is_marked(self._stale, edition.model, now) else None

    def _poll_if_due(self, now: datetime) -> None:
        if not _within(POLL_INTERVAL, self._polled_at, now) and self._polling.acquire(blocking=False):
            self._polled_at = now
            self._done.clear()
            self._run(lambda: self._poll(now))

    def _must_wait(self, now: datetime) -> bool:
        return not self._is_failing and not _within(POLL_TRUSTED_FOR, self._confirmed_at, now)

    def _patience_s(self, now: datetime) -> float:
        """Return how long a visitor waits for a poll: hardly, if there is a page that may be shown as it is."""
        if self._edition is None:
            return FIRST_READ_TIMEOUT_S
        return STALE_READ_TIMEOUT_S if _within(STALE_AFTER, self._edition.model.read_at, now) else READ_TIMEOUT_S

    def _poll(self, now: datetime) -> None:
        succeeded = False
        try:
            self._bring_up_to_date(now)
            succeeded = True
        except Error as error:
            if not self._is_failing:
                logger.warning("page cannot be read; serving the last one", extra={"error": str(error).strip()})
        finally:
            self._is_failing = not succeeded
            self._done.set()
            self._polling.release()

    def _bring_up_to_date(self, now: datetime) -> None:
        change, kept = changes.current("page"), self._edition
        if kept is None or kept.model.change != change or not _within(REREAD_INTERVAL, kept.model.read_at, now):
            model = readmodel.read(now, change, settings.PAGE_TIME_ZONE)
            self._edition = Edition(model, languages=sorted(kept.asked) if kept else ())
        self._confirmed_at = now

    def _marked_stale(self, model: PageModel, now: datetime) -> Edition:
        """Return the page with a notice of its age. Several threads may render it at once, which does no harm."""
        stale = self._stale
        if not _is_marked(stale, model, now):
            stale = self._stale = Edition(model, stale_at=now)
        assert stale is not None
        return stale


def _is_marked(stale: Edition | None, model: PageModel, now: datetime) -> bool:
    """Tell whether an edition has the right word on the age of the page."""
    return (
        stale is not None
        and stale.model is model
        and _stale_steps(stale) == (now - model.read_at) // STALE_RENDER_INTERVAL
    )


def _stale_steps(edition: Edition) -> int:
    return (edition.stale_at - edition.model.read_at) // STALE_RENDER_INTERVAL if edition.stale_at else 0


def _within(span: timedelta, since: datetime, now: datetime) -> bool:
    """Return whether less than a span has passed since an instant; False if the clock was set back since then."""
    return timedelta(0) <= now - since < span


keeper = Keeper()
