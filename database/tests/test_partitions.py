from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from database import partitions

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 9, 23, 59, tzinfo=UTC)


def test_today_and_the_coming_days_are_made_once() -> None:
    made = partitions.ensure_ahead("watch_server_logs", NOW)

    assert made == [date(2025, 3, 9) + timedelta(days=ahead) for ahead in range(partitions.DAYS_AHEAD + 1)]
    assert partitions.ensure_ahead("watch_server_logs", NOW) == []


def test_a_partition_takes_rows_of_its_utc_day_with_every_index() -> None:
    partitions.ensure("watch_server_logs", {date(2025, 3, 9)})

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO watch_server_logs (checked_at, lateness_ms, interval_ms, service_id, region, verdict)"
            " VALUES ('2025-03-09 23:59:59.999+00', 0, 60000, 'a', 'default', 'ok') RETURNING tableoid::regclass::text"
        )
        assert cursor.fetchone() == ("watch_server_logs_20250309",)
        count = "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass"
        cursor.execute(f"SELECT ({count}) = ({count})", ["watch_server_logs", "watch_server_logs_20250309"])
        assert cursor.fetchone() == (True,)
