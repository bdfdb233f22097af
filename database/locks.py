"""Advisory locks, named in words: they keep two processes from doing one piece of upkeep at the same moment.

And how long a transaction waits for locks of any kind.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

LOCK_WAIT_MS = 3_000


def wait_briefly() -> None:
    """Let no statement of this transaction wait longer than `LOCK_WAIT_MS` for a lock; it raises OperationalError then.

    A task that waits holds one of the few places of the engine, and others could work there.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_MS:d}ms'")


def lock_in_transaction(name: str) -> None:
    """Wait for the lock of this name; it is given back when the surrounding transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key_of(name)])


def try_lock_in_transaction(name: str) -> bool:
    """Take the lock of this name unless somebody holds it, and say whether it was taken."""
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
