from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.checks import Error, Warning
from django.utils import timezone
from pytest_django import Settings

from database.models import NightlyRun
from monitoring.models import EngineWorker
from observability.diagnostics import Verdict
from observability.version import VERSION
from slamonitor.doctor import process

NOW = datetime(2025, 3, 10, 9, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
LATELY = NOW - timedelta(hours=6)


def make_worker(name: str, seen_at: datetime, **facts: Any) -> EngineWorker:
    return EngineWorker.objects.create(
        name=name, role="engine", started_at=seen_at, seen_at=seen_at, facts=facts or None
    )


@pytest.mark.django_db
def test_workers_of_another_release_are_noted_while_they_live() -> None:
    make_worker("new", timezone.now(), version=VERSION)
    make_worker("older than the question", timezone.now())
    make_worker("gone", timezone.now() - timedelta(hours=1), version="0.0.1")
    assert process.versions().verdict is Verdict.GOOD

    make_worker("old", timezone.now(), version="0.0.9")
    assert (process.versions().verdict, "0.0.9" in process.versions().says) == (Verdict.NOTE, True)


@pytest.mark.django_db
def test_a_worker_that_runs_as_root_is_a_warning() -> None:
    make_worker("careful", timezone.now(), uid=1000)
    assert "careful" not in process.user().says

    make_worker("careless", timezone.now(), uid=0)
    found = process.user()
    assert (found.verdict, "careless" in found.says, "deploy/systemd" in found.remedy) == (Verdict.WARNING, True, True)


def test_a_doctor_who_is_root_says_so() -> None:
    assert process.judge_user(is_root=True, workers=[]).verdict is Verdict.NOTE
    assert process.judge_user(is_root=False, workers=[]).verdict is Verdict.GOOD


def test_settings_are_judged_by_the_deployment_checks(settings: Settings) -> None:
    error, caution = Error("SECRET_KEY: it is not set.", hint="Set it.", id="x"), Warning("W", hint="H", id="y")
    assert process.judge_set_up([caution, error], is_https=True).remedy == "Set it."
    assert process.judge_set_up([caution], is_https=True).verdict is Verdict.WARNING
    assert process.judge_set_up([caution], is_https=False).verdict is Verdict.NOTE
    assert process.judge_set_up([], is_https=True).verdict is Verdict.GOOD

    settings.DEBUG = True
    assert process.judge_set_up([], is_https=True).verdict is Verdict.BAD


@pytest.mark.django_db
def test_the_work_of_the_night_is_not_missed_on_the_first_day() -> None:
    found = process.nights()

    assert found.verdict in (Verdict.NOTE, Verdict.GOOD)
    names = ["retention", "sessions", "workers", "audit", "reconciliation", "size"]
    assert [row[0] for row in found.table.rows] == names


def night(begun_at: datetime = LATELY, error: str = "") -> NightlyRun:
    return NightlyRun(name="retention", begun_at=begun_at, finished_at=None if error else begun_at, error=error)


@pytest.mark.parametrize(
    ("run", "installed_at", "verdict"),
    [
        (night(), LONG_AGO, "good"),
        (None, LATELY, "note"),
        (None, LONG_AGO, "warning"),
        (night(NOW - timedelta(days=2)), LONG_AGO, "warning"),
        (night(error="OSError: disk full"), LONG_AGO, "bad"),
    ],
)
def test_nights_are_judged_by_their_newest_run(run: Any, installed_at: Any, verdict: str) -> None:
    assert process.judge_nights({"retention": run}, installed_at, NOW).verdict == verdict
