"""Change counters: one cheap query tells a web process that its cached values are out of date."""

from django.db import connection

from database.models import ChangeCounter


def bump(topic: str) -> None:
    """Raise the counter of a topic in the caller's transaction; call it last, because the row stays locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO change_counters (topic, value) VALUES (%s, 1)"
            " ON CONFLICT (topic) DO UPDATE SET value = change_counters.value + 1",
            [topic],
        )


def current(topic: str) -> int:
    """Return the counter of a topic, 0 before its first change. One query."""
    return ChangeCounter.objects.filter(topic=topic).values_list("value", flat=True).first() or 0
