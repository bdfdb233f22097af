"""The messages about backups, and their severity."""

import re
from datetime import UTC, datetime, time, timedelta

import pytest
from django.test import Client

from accounts.tests.cast import Person
from database.backups.reports import Standing
from database.models import BackupReport
from observability.diagnostics import Verdict
from slamonitor.housekeeping.backup_standing import judge

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def report(ago: timedelta, problem: str = "", ended: bool = True) -> BackupReport:
    at = NOW - ago
    return BackupReport(began_at=at, ended_at=at if ended else None, is_good=ended and not problem, problem=problem)


def stands(**changes: object) -> Standing:
    well = {
        "backed_up_at": NOW - 7 * HOUR,
        "proven_at": NOW - 7 * HOUR,
        "last_backup": report(7 * HOUR),
        "last_proof": report(7 * HOUR),
        "installed_at": NOW - 900 * HOUR,
    }
    return Standing(**{**well, **changes})  # type: ignore[arg-type]


NEVER = {"backed_up_at": None, "proven_at": None, "last_backup": None, "last_proof": None}


@pytest.mark.parametrize(
    ("stood", "at", "verdict", "says"),
    [
        (stands(), time(2), Verdict.GOOD, "Last backup 7 hours ago, last verified restore 7 hours ago."),
        (stands(backed_up_at=NOW - 27 * HOUR), time(2), Verdict.BAD, "The last backup was 1 day ago."),
        (stands(backed_up_at=NOW - 27 * HOUR), None, Verdict.GOOD, "Last backup 1 day ago"),
        (stands(proven_at=NOW - 51 * HOUR), time(2), Verdict.WARNING, "last verified restore 2 days ago"),
        (stands(proven_at=None), time(2), Verdict.WARNING, "last verified restore never"),
        (stands(last_backup=report(HOUR, "the disk is full")), time(2), Verdict.BAD, "failed: the disk is full"),
        (stands(last_proof=report(HOUR, "it is damaged")), time(2), Verdict.BAD, "not be restored: it is damaged"),
        (stands(last_backup=report(HOUR, ended=False)), time(2), Verdict.GOOD, "Last backup 7 hours ago"),
        (stands(last_backup=report(13 * HOUR, ended=False)), time(2), Verdict.BAD, "failed: it was killed."),
        (stands(**NEVER), time(2), Verdict.BAD, "There is no backup yet, although a night has passed."),
        (stands(**{**NEVER, "installed_at": NOW - HOUR}), time(2), Verdict.NOTE, "will be taken at 02:00"),
        (stands(**NEVER), None, Verdict.WARNING, "nightly ones are off"),
    ],
)
def test_standing_in_words(stood: Standing, at: time | None, verdict: Verdict, says: str) -> None:
    found = judge(stood, at, NOW)

    assert found.verdict is verdict
    assert says in found.says
    assert bool(found.remedy) == (verdict in (Verdict.WARNING, Verdict.BAD))


def test_health_is_degraded_by_a_failed_backup_and_says_why(client: Client, db: None) -> None:
    now = datetime.now(UTC)
    BackupReport.objects.create(subject="backup", began_at=now, ended_at=now, problem="The disk is full.")

    (found,) = (each for each in client.get("/health").json()["dependencies"] if each["name"] == "backups")

    assert found["status"] == "degraded"
    assert "The disk is full." in found["message"] and "manage.py backup" in found["message"]


def test_the_admin_shows_the_last_verified_restore(viewer: Person) -> None:
    now = datetime.now(UTC)
    BackupReport.objects.create(subject="proof", began_at=now - HOUR, ended_at=now - HOUR, is_good=True)

    body = viewer.client.get("/admin/").content.decode()

    assert re.search("<dt>Verified restore</dt><dd>([^<]*)", body)[1] == "1 h 00 min ago"
