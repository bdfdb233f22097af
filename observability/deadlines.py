"""Call something that may hang, and wait no longer than a deadline."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from django.db import connections

from observability.harmless import note

T = TypeVar("T")

Start = Callable[[str, Callable[[], None]], object]  # (name, work): starts the work, or raises if it can't


def in_thread(name: str, work: Callable[[], None]) -> None:
    """Run work in a separate thread, which closes its database connections at the end."""

    def work_and_close() -> None:
        try:
            work()
        finally:
            connections.close_all()

    threading.Thread(target=work_and_close, name=f"ask {name}", daemon=True).start()


class Asker:
    """Makes named calls, one at a time for each name: a hanging call costs one thread, however often it is made."""

    def __init__(self, start: Start = in_thread) -> None:
        self._start = start
        self._asked: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    def within(self, name: str, seconds: float, ask: Callable[[], T]) -> T | None:
        """Return the result, or None if the call failed or timed out, which is noted under the name."""
        try:
            return self.asked(name, ask).result(seconds)
        except Exception as error:
            note(name, error)
            return None

    def asked(self, name: str, ask: Callable[[], T]) -> Future[T]:
        """Start a call and return its future, or that of a running call of this name."""
        with self._lock:
            known = self._asked.get(name)
            if known is None or known.done():
                known = Future()
                self._start(name, partial(_answer, known, ask))
                self._asked[name] = known  # not before: without a thread the future would never be done
        return known


def _answer(future: Future[T], ask: Callable[[], T]) -> None:
    try:
        future.set_result(ask())
    except Exception as error:
        future.set_exception(error)


asker = Asker()
