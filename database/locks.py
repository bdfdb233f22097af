"""Advisory locks, named in words: they keep two processes from doing one piece of upkeep at the same moment."""

import hashlib

from django.db import connection


def lock_in_transaction(name: str) -> None:
    """Wait for the lock of this name; it is given back when the surrounding transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_key(name)])


def try_lock_in_transaction(name: str) -> bool:
    """Take the lock of this name unless somebody holds it, and say whether it was taken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_key(name)])
        return bool(cursor.fetchone()[0])


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
