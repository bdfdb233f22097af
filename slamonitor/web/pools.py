"""Threads of their own for each kind of request: a kind that hangs keeps no other one waiting."""

import threading
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]

READ_BYTES = 16_384  # of a body where none is expected
FORM_BYTES = 65_536
API_BYTES = 2_621_440  # as much as Django takes (DATA_UPLOAD_MAX_MEMORY_SIZE)
HEARTBEAT_BYTES = 10_000  # as much as its view reads; a job may send all it has printed


class Pool:
    """A few threads and a short queue for one kind of request."""

    def __init__(
        self, name: str, *, threads: int, most_waiting: int, most_body_bytes: int, cuts_bodies: bool = False
    ) -> None:
        self.name, self._threads, self._most_waiting = name, threads, most_waiting
        self.most_body_bytes = most_body_bytes
        self.cuts_bodies = cuts_bodies  # what is longer loses its end; else it is refused
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._running = self._idle = 0  # threads

    def submit(self, job: Job) -> bool:
        """Let a thread do the job, which must not raise. Return False when too many wait already."""
        with self._changed:
            if len(self._jobs) >= self._most_waiting:
                return False
            self._jobs.append(job)
            if self._idle:
                self._changed.notify()
            elif self._running < self._threads:
                self._start()
        return True

    def withdraw(self, job: Job) -> bool:
        """Forget a job; return False when a thread has it already."""
        with self._changed:
            try:
                self._jobs.remove(job)
            except ValueError:
                return False
        return True

    def _start(self) -> None:
        self._running += 1
        # Daemons: what hangs must not keep the process from ending.
        threading.Thread(target=self._work, name=f"web {self.name}", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._jobs)
                self._idle -= 1
                job = self._jobs.popleft()
            job()


class Pools:
    """All pools of a process, and which request belongs to which."""

    def __init__(self) -> None:
        # As many threads altogether as leave each a connection to the database (DB_MAX_CONNECTIONS, 24), with some for
        # the page and for health checks. Two of a kind: one that hangs leaves another, and Python runs one at a time.
        self.public = Pool("public", threads=2, most_waiting=64, most_body_bytes=READ_BYTES)
        self.heartbeats = Pool(
            "heartbeats", threads=2, most_waiting=256, most_body_bytes=HEARTBEAT_BYTES, cuts_bodies=True
        )
        self.health = Pool("health", threads=2, most_waiting=32, most_body_bytes=READ_BYTES)
        self.api = Pool("api", threads=2, most_waiting=32, most_body_bytes=API_BYTES)
        self.admin = Pool("admin", threads=2, most_waiting=32, most_body_bytes=API_BYTES)
        self.ledgers = Pool("ledgers", threads=2, most_waiting=16, most_body_bytes=READ_BYTES)
        self.sign_in = Pool("sign-in", threads=2, most_waiting=16, most_body_bytes=FORM_BYTES)  # bcrypt
        self.check_now = Pool("check-now", threads=2, most_waiting=8, most_body_bytes=FORM_BYTES)  # up to 20 s each

    def of(self, method: str, path: str) -> Pool:
        """Return the pool of a request, by its path as it was sent, decoded."""
        if path.startswith("/heartbeat/"):
            return self.heartbeats
        if path in ("/health", "/livez", "/readyz", "/metrics"):
            return self.health
        if path == "/" or path == "/api/browser_errors" or path.startswith(("/assets/", "/static/", "/robots.txt")):
            return self.public
        if path.startswith("/services/"):
            return self.ledgers
        if method == "POST" and path.startswith(("/admin/login/", "/admin/password_change/")):
            return self.sign_in
        if path.rstrip("/").endswith(("/check-now", "/check_now")):
            return self.check_now
        return self.api if path.startswith("/api/") else self.admin
