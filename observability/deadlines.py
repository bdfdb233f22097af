"""Call something that may hang, and wait no longer than a deadline."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from django.db import connections

from observability.harmless import note

T = TypeVar("T")

USE_THREADS = True  # tests ask in their own thread, whose transaction others do not see
_asked: dict[str, Future[Any]] = {}
_lock = threading.Lock()


def within(name: str, seconds: float, ask: Callable[[], T]) -> T | None:
    """Return the result, or None if the call failed or timed out, which is noted under the name."""
    try:
        return answer_within(name, seconds, ask)
    except Exception as error:
        note(name, error)
        return None


def answer_within(name: str, seconds: float, ask: Callable[[], T]) -> T:
    """Return the result. Raises the exception of the call, or `TimeoutError`.

    While a call of this name is running, other callers wait for the same result: a hanging call costs one thread,
    however often it is made.
    """
    return asked(name, ask).result(seconds)


def asked(name: str, ask: Callable[[], T]) -> Future[T]:
    """Call in a separate thread and return its future, or that of a running call of this name."""
    if not USE_THREADS:
        future: Future[T] = Future()
        _answer(future, ask, closes=False)
        return future
    with _lock:
        known = _asked.get(name)
        if known is None or known.done():
            known = Future()
            threading.Thread(target=_answer, args=(known, ask), name=f"ask {name}", daemon=True).start()
            _asked[name] = known  # not before: without a thread the future would never be done
    return known


def _answer(future: Future[T], ask: Callable[[], T], *, closes: bool = True) -> None:
    try:
        future.set_result(ask())
    except Exception as error:
        future.set_exception(error)
    finally:
        if closes:
            connections.close_all()
