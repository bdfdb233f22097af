"""Separate capacity for each kind of request, so that a hanging kind does not delay others.

Requests that must never wait for slow ones have threads in this, the front process. Others have seats in the back
process.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Job = Callable[[], None]

READ_BYTES = 16_384  # of requests that should have no body
FORM_BYTES = 65_536
API_BYTES = 2_621_440  # the limit of Django (DATA_UPLOAD_MAX_MEMORY_SIZE)
HEARTBEAT_BYTES = 10_000  # the limit of its view; a job may send all its output


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The limits of one kind of request."""

    name: str
    most_waiting: int
    most_body_bytes: int
    cuts_bodies: bool = False  # truncate longer bodies instead of refusing them
    # Two, so that one may hang. More would not be faster, as Python runs one thread at a time.
    at_once: int = 2


class Pool:
    """Threads and a short queue for one kind of request."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._running = self._idle = 0  # threads

    def submit(self, job: Job) -> bool:
        """Queue a job, which must not raise, for a thread. Return False if too many are waiting."""
        with self._changed:
            if len(self._jobs) >= self.kind.most_waiting:
                return False
            self._jobs.append(job)
            if self._idle:
                self._changed.notify()
            elif self._running < self.kind.at_once:
                self._start()
        return True

    def withdraw(self, job: Job) -> bool:
        """Take a job out of the queue; return False if a thread has already started it."""
        with self._changed:
            try:
                self._jobs.remove(job)
            except ValueError:
                return False
        return True

    def _start(self) -> None:
        self._running += 1
        # Daemon threads, because a hanging request must not keep the process from exiting.
        threading.Thread(target=self._work, name=f"web {self.kind.name}", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._jobs)
                self._idle -= 1
                job = self._jobs.popleft()
            job()


class Seats:
    """The seats of one kind: the requests that the back process handles at once, and a short queue.

    All methods must be called in the event loop.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._jobs: deque[Job] = deque()
        self._free = 0  # seats; none while there is no back process

    def submit(self, job: Job) -> bool:
        """Run a job, which sends a request, as soon as a seat is free. Return False if too many are waiting."""
        if not self._free and len(self._jobs) >= self.kind.most_waiting:
            return False
        self._jobs.append(job)
        self._fill()
        return True

    def withdraw(self, job: Job) -> bool:
        """Take a job out of the queue; return False if it has already run."""
        try:
            self._jobs.remove(job)
        except ValueError:
            return False
        return True

    def open(self) -> None:
        """Send requests to a new back process."""
        self._free = self.kind.at_once
        self._fill()

    def close(self) -> None:
        """Keep requests in the queue: the back process has ended, and with it all of its requests."""
        self._free = 0

    def leave(self) -> None:
        """Give the seat of a finished request to the next one."""
        self._free += 1
        self._fill()

    def _fill(self) -> None:
        while self._free and self._jobs:
            self._free -= 1
            self._jobs.popleft()()


PUBLIC = Kind(name="public", most_waiting=64, most_body_bytes=READ_BYTES)
HEARTBEATS = Kind(name="heartbeats", most_waiting=256, most_body_bytes=HEARTBEAT_BYTES, cuts_bodies=True)
READINESS = Kind(name="readiness", most_waiting=32, most_body_bytes=READ_BYTES)
# Of the back process.
HEALTH = Kind(name="health", most_waiting=32, most_body_bytes=READ_BYTES)
API = Kind(name="api", most_waiting=32, most_body_bytes=API_BYTES)
BROWSER_ERRORS = Kind(name="browser-errors", most_waiting=32, most_body_bytes=READ_BYTES, at_once=1)
ADMIN = Kind(name="admin", most_waiting=32, most_body_bytes=API_BYTES)
LEDGERS = Kind(name="ledgers", most_waiting=16, most_body_bytes=READ_BYTES)
SIGN_IN = Kind(name="sign-in", most_waiting=16, most_body_bytes=FORM_BYTES)  # bcrypt
CHECK_NOW = Kind(name="check-now", most_waiting=8, most_body_bytes=FORM_BYTES)  # up to 20 s each

# In each process, all threads together are fewer than the connections to the database (DB_MAX_CONNECTIONS, 24), so that
# each request gets one and some are left for the page and for health checks.
IN_FRONT = (PUBLIC, HEARTBEATS, READINESS)
IN_BACK = (HEALTH, API, BROWSER_ERRORS, ADMIN, LEDGERS, SIGN_IN, CHECK_NOW)


def kind_of(method: str, path: str) -> Kind:
    """Return the kind of a request by its decoded path."""
    if path.startswith(("/heartbeat/", "/ping/", "/api/push/")):
        return HEARTBEATS
    if path == "/" or path.startswith(("/assets/", "/static/", "/robots.txt")):
        return PUBLIC
    if path in ("/livez", "/readyz"):
        return READINESS
    if path in ("/health", "/metrics"):
        return HEALTH
    if path == "/api/browser_errors":
        return BROWSER_ERRORS
    if path.startswith("/services/"):
        return LEDGERS
    if method == "POST" and path.startswith(("/admin/login/", "/admin/password_change/")):
        return SIGN_IN
    if path.rstrip("/").endswith(("/check-now", "/check_now")):
        return CHECK_NOW
    return API if path.startswith("/api/") else ADMIN
