import pytest
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from database.slow_queries import log_if_slow, watch

pytestmark = pytest.mark.django_db
SLOW = "SELECT count(*), %s::text FROM generate_series(1, 300000)"


def test_a_slow_statement_is_logged_without_its_parameters(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SLOW_QUERY_MS = 1

    with connection.cursor() as cursor:
        cursor.execute(SLOW, ["a secret"])

    record = next(record for record in caplog.records if record.getMessage() == "slow statement")
    assert record.__dict__["sql"].startswith("SELECT count(*), %s::text FROM generate_series")
    assert "a secret" not in caplog.text and record.__dict__["ms"] >= 1


def test_a_quick_statement_is_not_logged(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.SLOW_QUERY_MS = 60_000

    with connection.cursor() as cursor:
        cursor.execute(SLOW, [""])

    assert "slow statement" not in caplog.text


def test_a_statement_that_fails_slowly_is_logged_and_fails(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SLOW_QUERY_MS = 1

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 / (count(*) - 300000) FROM generate_series(1, 300000)")

    assert "slow statement" in caplog.text


def test_a_connection_is_watched_once() -> None:
    watch(connection)
    watch(connection)

    assert connection.execute_wrappers.count(log_if_slow) == 1
