from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from django.db import connection

from database import partitions, retention
from database.models import DroppedPartition
from database.retention import RawTable

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = "raw_things"
NOW = datetime(2025, 3, 10, 3, tzinfo=UTC)
TODAY = NOW.date()
OLD = [TODAY - timedelta(days=age) for age in (5, 4)]


def make(unfinished: Collection[date] = (), asked: list[date] | None = None) -> RawTable:
    return RawTable(
        name=TABLE,
        keep_days=lambda: 3,
        unfinished=lambda day: int(day in unfinished),
        finish=list[date]().append if asked is None else asked.append,
    )


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "50ms")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {TABLE} (at timestamptz NOT NULL) PARTITION BY RANGE (at)")
        partitions.ensure(TABLE, {*OLD, TODAY - timedelta(days=3), TODAY})
        cursor.execute(f"INSERT INTO {TABLE} SELECT %s", [NOW - timedelta(days=5)])
        yield
        leftover = [partitions.name_of(TABLE, day) for day in partitions.detached(TABLE)]
        cursor.execute(f"DROP TABLE IF EXISTS {', '.join([TABLE, *leftover])} CASCADE")


@pytest.fixture
def dump() -> Iterator[psycopg.Connection]:
    """A reader of everything in one long transaction, as pg_dump is."""
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{name: parameters[name] for name in names if name in parameters}) as reader:
        reader.execute(f"SELECT count(*) FROM {TABLE}")
        yield reader


def test_days_older_than_kept_are_dropped_and_noted() -> None:
    swept = retention.sweep(make(), NOW)

    assert (swept.dropped, swept.held, swept.busy) == (OLD, [], [])
    assert partitions.existing(TABLE) == {TODAY - timedelta(days=3), TODAY}
    noted = DroppedPartition.objects.order_by("day").values_list("day", "size_bytes")
    assert list(noted) == [(OLD[0], 8192), (OLD[1], 0)], "the row's page, and nothing"


def test_dropping_again_does_nothing() -> None:
    retention.sweep(make(), NOW)

    assert retention.sweep(make(), NOW).dropped == []


def test_a_day_that_is_not_finished_stays_and_is_asked_for_and_the_others_go() -> None:
    asked: list[date] = []

    swept = retention.sweep(make(unfinished={OLD[0]}, asked=asked), NOW)

    assert (swept.dropped, swept.held, asked) == ([OLD[1]], [OLD[0]], [OLD[0]])
    assert OLD[0] in partitions.existing(TABLE)
    assert retention.is_whole([TABLE], NOW - timedelta(days=5), NOW - timedelta(days=4, hours=12))


def test_a_dump_delays_the_drop_and_the_drop_delays_nobody(dump: psycopg.Connection) -> None:
    swept = retention.sweep(make(), NOW)

    assert (swept.dropped, swept.busy) == ([], OLD)
    with connection.cursor() as cursor:  # a queue behind the parent's lock would hold this forever
        cursor.execute("SET lock_timeout = '1ms'")
        cursor.execute(f"INSERT INTO {TABLE} SELECT %s", [NOW])
        cursor.execute(f"SELECT count(*) FROM {TABLE}")
        cursor.execute("RESET lock_timeout")
    dump.rollback()

    retention.sweep(make(), NOW)

    assert not partitions.existing(TABLE) & set(OLD)
    assert partitions.detached(TABLE) == set()


def test_what_was_detached_and_left_lying_is_dropped_the_next_night() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {partitions.name_of(TABLE, OLD[0])}")
    assert partitions.detached(TABLE) == {OLD[0]}

    retention.sweep(make(), NOW)

    assert partitions.detached(TABLE) == set()


def test_a_window_that_touches_a_dropped_day_is_not_whole() -> None:
    retention.sweep(make(), NOW)
    day = timedelta(days=1)

    assert not retention.is_whole([TABLE], NOW - 5 * day, NOW)
    assert retention.is_whole([TABLE], NOW - 3 * day, NOW)
    assert retention.is_whole(["another_table"], NOW - 5 * day, NOW)
    midnight = datetime(2025, 3, 7, tzinfo=UTC)
    assert retention.is_whole([TABLE], midnight, midnight + day), "the end does not belong to a window"
    assert not retention.is_whole([TABLE], midnight - day, midnight)


def test_the_lock_timeout_of_the_session_is_given_back() -> None:
    retention.sweep(make(), NOW)

    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
