from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session

from database import partitions
from database.models import DatabaseSize, DroppedPartition, NightlyRun
from monitoring.models import EngineWorker
from slamonitor.celery import app
from slamonitor.housekeeping import nightly

NOW = datetime(2025, 3, 10, 3, 2, tzinfo=UTC)
OLD = datetime(2024, 11, 1, tzinfo=UTC).date()


@pytest.mark.django_db(transaction=True)
def test_a_night_drops_old_days_clears_sessions_forgets_workers_and_measures() -> None:
    partitions.ensure("watch_server_logs", {OLD})
    Session.objects.create(session_key="over", session_data="", expire_date=NOW - timedelta(days=400))
    Session.objects.create(session_key="open", session_data="", expire_date=datetime(2999, 1, 1, tzinfo=UTC))
    for name, age in (("gone", 8), ("back soon", 6)):
        seen_at = NOW - timedelta(days=age)
        EngineWorker.objects.create(name=name, role="probe", started_at=seen_at, seen_at=seen_at)

    done = nightly.run(NOW, UTC)

    assert done == ["retention", "sessions", "workers", "audit", "reconciliation", "size"]
    assert OLD not in partitions.existing("watch_server_logs")
    assert DroppedPartition.objects.get().day == OLD
    assert [session.session_key for session in Session.objects.all()] == ["open"]
    assert [worker.name for worker in EngineWorker.objects.all()] == ["back soon"]
    assert DatabaseSize.objects.get().size_bytes > 1_000_000
    assert nightly.run(NOW + timedelta(minutes=5), UTC) == []


@pytest.mark.django_db
def test_a_piece_that_fails_keeps_nobody_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[datetime] = []

    def full(now: datetime) -> None:
        raise OSError("No space left on device")

    assert nightly.run(NOW, UTC, {"first": full, "second": seen.append}) == ["second"]

    assert seen == [NOW]
    assert NightlyRun.objects.get(name="first").error == "OSError: No space left on device"
    assert "a nightly job failed" in caplog.text


def test_beat_asks_often_enough_that_a_night_is_not_late() -> None:
    entry = next(each for each in app.conf.beat_schedule.values() if each["task"] == "slamonitor.nightly_jobs")

    assert entry["schedule"] <= 300
    assert app.amqp.router.route({}, "slamonitor.nightly_jobs")["queue"].name == "rollups"
