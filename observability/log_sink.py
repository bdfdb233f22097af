"""Write log lines without blocking the caller: with a full disk or a stopped reader, lines are dropped and counted."""

import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from collections import deque
from typing import Any

STANDARD_ERROR = 2
MOST_BYTES = 4 * 1024 * 1024  # waiting to be written
AT_ONCE_BYTES = 65_536
GATHERING_S = 0.05  # lines are written together: the thread takes the interpreter from others each time it wakes up
EXIT_S = 1.0


class LogSink(logging.Handler):
    """Format in the caller's thread, write in a separate one.

    Lines beyond the limit are dropped; `dropped` counts them, and a line reports them once there is room again.
    """

    def __init__(self, descriptor: int = STANDARD_ERROR, most_bytes: int = MOST_BYTES) -> None:
        super().__init__()
        self._descriptor, self._most_bytes = descriptor, most_bytes
        self.dropped = 0
        self._begin()
        _sinks.add(self)

    def _begin(self) -> None:
        self._lines: deque[bytes] = deque()
        self._held_bytes = 0
        self._is_urgent = False  # a caller waits, or the process may be about to end
        self._unsaid = 0  # dropped lines that no line has reported yet
        self._changed = threading.Condition()  # reentrant: a signal handler may log during a log call
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode(errors="backslashreplace") + b"\n"
            self._put(line, is_urgent=record.levelno >= logging.WARNING)
        except Exception:  # an argument that doesn't fit its message, or no free thread: the caller must go on
            self._lose(1)

    def _put(self, line: bytes, *, is_urgent: bool) -> None:
        with self._changed:
            if self._held_bytes + len(line) > self._most_bytes:
                self._lose(1)
                return
            self._lines.append(line)
            self._held_bytes += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log-sink", daemon=True)
                self._thread.start()
            self._is_urgent |= is_urgent
            if len(self._lines) == 1 or is_urgent:
                self._changed.notify_all()

    def flush(self, patience_s: float = EXIT_S) -> None:
        """Wait until everything is written, but no longer than the patience."""
        deadline = time.monotonic() + patience_s
        with self._changed:
            self._is_urgent = True
            self._changed.notify_all()
            while self._held_bytes and (left_s := deadline - time.monotonic()) > 0:
                self._changed.wait(left_s)

    def begin_again_in_child(self) -> None:
        """Forget the thread and the lines of the parent, which a forked process does not have."""
        self._begin()

    def _lose(self, lines: int) -> None:
        self.dropped += lines
        self._unsaid += lines

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                self._changed.wait_for(lambda: self._is_urgent, GATHERING_S)
                chunk, lines = self._take()
            is_written = self._write(chunk)
            with self._changed:
                self._held_bytes -= len(chunk)
                if not is_written:
                    self._lose(lines)
                self._changed.notify_all()
            if is_written and self._unsaid:
                self._say_dropped()

    def _take(self) -> tuple[bytes, int]:
        """Take as many lines as fit into one write."""
        taken = [self._lines.popleft()]
        size = len(taken[0])
        while self._lines and size < AT_ONCE_BYTES:
            taken.append(self._lines.popleft())
            size += len(taken[-1])
        self._is_urgent = self._is_urgent and bool(self._lines)
        return b"".join(taken), len(taken)

    def _write(self, chunk: bytes) -> bool:
        try:
            while chunk:
                chunk = chunk[os.write(self._descriptor, chunk) :]
        except OSError:  # closed, full or gone: there is no other place to report it
            return False
        return True

    def _say_dropped(self) -> None:
        with self._changed:
            number, self._unsaid = self._unsaid, 0
        record = logging.makeLogRecord(
            {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": "log lines were dropped"}
        )
        vars(record)["lines"] = number
        if not self._write(self.format(record).encode(errors="backslashreplace") + b"\n"):
            self._unsaid += number


_sinks: "weakref.WeakSet[LogSink]" = weakref.WeakSet()


def dropped() -> int:
    """Return how many lines this process has dropped since it began."""
    return sum(sink.dropped for sink in list(_sinks))


def flush() -> None:
    """Write the waiting lines; a process that ends without `atexit`, such as one of Celery's pool, calls it itself."""
    for sink in list(_sinks):
        with contextlib.suppress(Exception):
            sink.flush()


def _after_fork(*_: Any) -> None:
    for sink in list(_sinks):
        sink.begin_again_in_child()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(flush)
