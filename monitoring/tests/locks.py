"""See that somebody waits for a lock."""

import time

from django.db import connection

WITHIN_S = 10


def wait_until_somebody_waits() -> None:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits")
