"""Count rare events for operators: refused results, rebuilt runs."""

from django.db import connection


def add(name: str, number: int) -> None:
    """Increase a counter in the caller's transaction. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO engine_counters (name, value, raised_at) VALUES (%s, %s, clock_timestamp())"
            " ON CONFLICT (name) DO UPDATE"
            " SET value = engine_counters.value + excluded.value, raised_at = excluded.raised_at",
            [name, number],
        )
