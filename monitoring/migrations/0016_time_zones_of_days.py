"""Store with each daily row in which time zone its day began and ended.

Rows that are there get the zone of the settings: a default that PostgreSQL notes once, so that no row is written. It
stays, for the release before this one, which goes on storing days until it is restarted. Days whose seconds are not as
many as the day has in that zone were accounted in another one, and so was all before them: these are marked, and the next
start says what to do.
"""

from datetime import date
from typing import Any

from django.conf import settings
from django.db import migrations, models

import monitoring.models.rollups

TABLES = ("uptime_records", "api_call_logs")
COLUMNS = ("time_zone", "counts_time_zone")
SECONDS = "operational_s + partial_s + down_s + unknown_s + maintenance_s + paused_s + empty_s"


def add(apps: Any, schema_editor: Any) -> None:
    zone = schema_editor.quote_value(str(settings.PAGE_TIME_ZONE))
    for table in TABLES:
        columns = ", ".join(f"ADD COLUMN {column} text NOT NULL DEFAULT {zone}" for column in COLUMNS)
        schema_editor.execute(f"ALTER TABLE {table} {columns}")
    schema_editor.execute("CREATE INDEX uptime_records_of_zone ON uptime_records (time_zone, date)")
    with schema_editor.connection.cursor() as cursor:
        if last := _last_of_another_zone(cursor):
            for table in TABLES:
                cursor.execute(
                    f"UPDATE {table} SET time_zone = 'unknown', counts_time_zone = 'unknown' WHERE date <= %s", [last]
                )


def _last_of_another_zone(cursor: Any) -> date | None:
    """Return the last day that is not as long as it is in the zone of the settings, sample days left out."""
    from monitoring.rules.calendar_days import bounds

    cursor.execute(f"SELECT DISTINCT date, {SECONDS} FROM uptime_records WHERE is_settled AND policy_id IS NOT NULL")
    wrong = []
    for day, seconds in cursor.fetchall():
        start, end = bounds(day, settings.PAGE_TIME_ZONE)
        if seconds != (end.timestamp() - start.timestamp()):
            wrong.append(day)
    return max(wrong, default=None)


def remove(apps: Any, schema_editor: Any) -> None:
    for table in TABLES:
        schema_editor.execute(f"ALTER TABLE {table} {', '.join(f'DROP COLUMN {column}' for column in COLUMNS)}")


def field() -> models.TextField:
    return models.TextField(default=monitoring.models.rollups.page_zone)


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0015_answers_of_hours")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add, remove)],
            state_operations=[
                *(migrations.AddField(model, column, field()) for model in ("uptimerecord", "apicalllog") for column in COLUMNS),
                migrations.AddIndex("uptimerecord", models.Index(fields=["time_zone", "date"], name="uptime_records_of_zone")),
            ],
        ),
    ]
