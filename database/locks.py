"""Advisory locks with names: they prevent two processes from running one maintenance job at the same time.

Also limits how long a transaction waits for locks of any kind.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable

logger = logging.getLogger(__name__)

LOCK_WAIT_MS = 3_000


def wait_briefly() -> None:
    """Limit each wait of this transaction for a lock to `LOCK_WAIT_MS`; then OperationalError is raised.

    A waiting task occupies one of the few places of the engine, where others could work.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_MS:d}ms'")


@contextmanager
def again_soon(task: str) -> Iterator[None]:
    """Leave work that waits for a lock to the next call of the task, which comes soon, as others need its thread."""
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        logger.warning("a lock held up a task; its next call tries again", extra={"task": task, "why": str(error)})


def lock_in_transaction(name: str) -> None:
    """Wait for the lock of this name; it is released when the surrounding transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key_of(name)])


def try_lock_in_transaction(name: str) -> bool:
    """Take the lock of this name unless another session holds it, and return whether it was taken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [key_of(name)])
        return bool(cursor.fetchone()[0])


@contextmanager
def one_at_a_time(name: str) -> Iterator[bool]:
    """Yield whether the lock of this name was free, and hold it during the block, over any number of transactions."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key_of(name)])
        is_ours = bool(cursor.fetchone()[0])
        try:
            yield is_ours
        finally:
            if is_ours:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key_of(name)])


def key_of(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
