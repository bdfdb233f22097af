from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from database import partitions
from database.models import DatabaseSize
from observability.diagnostics import Verdict
from slamonitor.doctor import space
from slamonitor.doctor.space import IndexSize

NOW = datetime(2025, 3, 10, 3, tzinfo=UTC)
DAY = timedelta(days=1)
GB = 1024**3


@pytest.mark.django_db
def test_partitions_count_as_their_table() -> None:
    partitions.ensure_ahead("watch_server_logs", timezone.now())

    found = {table.name: table for table in space.tables()}

    assert found["watch_server_logs"].partitions >= partitions.DAYS_AHEAD + 1
    assert not [name for name in found if name.startswith("watch_server_logs_")]
    assert found["services"].partitions == 0


@pytest.mark.django_db
def test_tables_and_indexes_come_with_their_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "MOST_ROWS_SHOWN", 1_000)  # other tests may have left larger indexes
    partitions.ensure_ahead("watch_server_logs", timezone.now())

    tables, indexes = space.sizes_of_tables(), space.sizes_of_indexes()

    assert (tables.verdict, indexes.verdict) == (Verdict.GOOD, Verdict.GOOD)
    assert len(tables.table.rows[0]) == len(tables.table.columns)
    names = {row[0]: row[1] for row in indexes.table.rows}
    assert names.get("watch_server_logs_pkey") == "watch_server_logs"


def test_an_index_that_is_not_whole_is_bad() -> None:
    found = space.judge_indexes([IndexSize("half", "services", 8192, 0, False), IndexSize("whole", "x", 1, 9, True)])

    assert (found.verdict, found.remedy) == (Verdict.BAD, "Rebuild it: REINDEX INDEX CONCURRENTLY half;")


def test_growth_is_known_after_a_day() -> None:
    assert space.growth([]) is None
    assert space.growth([(NOW, GB)]) is None
    assert space.growth([(NOW, GB), (NOW + timedelta(hours=2), 2 * GB)]) is None
    assert space.growth([(NOW, GB), (NOW + DAY, 9 * GB), (NOW + 4 * DAY, 3 * GB)]) == GB / 2


@pytest.mark.parametrize(
    ("free", "daily", "verdict", "words"),
    [
        (60 * GB, None, "good", "after two nights"),
        (60 * GB, -GB, "good", "does not grow"),
        (60 * GB, GB, "good", "full in 60 days"),
        (60 * GB, 1.0, "good", "more than ten years"),
        (60 * GB, 3 * GB, "warning", "full in 20 days"),
        (60 * GB, 20 * GB, "bad", "full in 3 days"),
        (14 * GB, None, "warning", "14.0 GB of 100.0 GB are free"),
        (4 * GB, None, "bad", "4.0 GB of 100.0 GB are free"),
    ],
)
def test_the_disk_is_judged_by_share_and_by_days(free: Any, daily: Any, verdict: str, words: str) -> None:
    found = space.judge_room(free=free, total=100 * GB, daily=daily)

    assert found.verdict == verdict
    assert words in found.says
    assert bool(found.remedy) == (verdict != "good")


@pytest.mark.django_db
def test_the_disk_of_a_local_server_is_found_and_the_setting_wins(settings: Settings, tmp_path: Path) -> None:
    assert (space.disk_of_database() / "PG_VERSION").exists()

    settings.DATABASE_DISK = str(tmp_path)
    assert space.disk_of_database() == tmp_path
    DatabaseSize.objects.create(measured_at=timezone.now() - 2 * DAY, size_bytes=GB)
    DatabaseSize.objects.create(measured_at=timezone.now(), size_bytes=GB + 4_100)
    assert "grows by 2.0 KB a day" in space.room().says


def test_a_disk_that_cannot_be_seen_is_said() -> None:
    found = space.unseen(None)

    assert (found.verdict, "DATABASE_DISK" in found.remedy) == (Verdict.NOTE, True)
