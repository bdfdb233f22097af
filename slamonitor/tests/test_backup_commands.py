"""The commands around backups as a person or cron uses them, and what a night does."""

import re
import sys
from datetime import UTC, datetime, time, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django import Settings

from database.backups import nights, reports
from database.backups.folder import Folder
from database.backups.problem import BackupError
from database.backups.server import application_server
from database.models import BackupReport
from slamonitor.housekeeping import backup_night
from slamonitor.management.backup_command import BackupCommand
from slamonitor.running import engine_stop
from slamonitor.running.engine_stop import engine_stopped

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

SEOUL = ZoneInfo("Asia/Seoul")
NOW = datetime(2026, 3, 10, 2, 5, tzinfo=SEOUL)


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    settings.BACKUP_DIR = tmp_path / "backups"
    monkeypatch.setattr("os.nice", lambda _: 0)  # of the whole test run it would be
    return Folder(settings.BACKUP_DIR)


def run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_a_backup_says_where_it_is_and_leaves_a_report(folder: Folder) -> None:
    told = run("backup")

    (path,) = folder.backups()
    assert re.match(rf"{path}: \d+ kB, \d+ rows of \d+ tables", told)
    report = BackupReport.objects.get()
    assert (report.subject, report.is_good, report.file) == ("backup", True, path.name)
    assert report.size_bytes == path.stat().st_size


def test_parts_go_elsewhere_and_are_not_reported(tmp_path: Path, folder: Folder) -> None:
    run("backup", "--schema-only", "--out", str(tmp_path / "elsewhere"))
    run("backup", "--tables", "services,users")

    assert len(Folder(tmp_path / "elsewhere").backups()) == 1
    assert folder.newest_restorable() is None
    assert not BackupReport.objects.exists()


def test_the_newest_backup_is_proven(folder: Folder) -> None:
    run("backup")

    assert run("verify_backup") == f"{folder.backups()[0]} can be restored.\n"
    assert reports.standing().proven_at is not None


def test_a_proof_without_a_backup_says_what_to_do(folder: Folder) -> None:
    with pytest.raises(CommandError, match=r"no backup in .*manage\.py backup"):
        run("verify_backup")

    assert "no backup" in BackupReport.objects.get().problem


def test_the_quick_look_finds_damage(folder: Folder) -> None:
    run("backup")
    (path,) = folder.backups()
    assert "complete" in run("verify_backup", "--quick")

    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(CommandError, match="damaged or cut off"):
        run("verify_backup", str(path), "--quick")


def test_who_finds_another_one_at_work_reports_nothing(folder: Folder) -> None:
    with application_server().reserved(), pytest.raises(CommandError, match="Another backup or restore"):
        run("backup")

    assert not BackupReport.objects.exists()


def test_a_restore_that_nobody_confirms_changes_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    run("backup")
    monkeypatch.setattr(sys, "stdin", StringIO())

    with pytest.raises(CommandError, match=r"replaces all data.*Nothing was changed; use --yes"):
        run("restore", folder.backups()[0].name)


def test_a_restore_into_another_database_reports_its_content(folder: Folder) -> None:
    run("backup")
    name = f"{application_server().database}_replaced"
    try:
        told = run("restore", folder.backups()[0].name, "--into", name)
    finally:
        from database.backups import loading

        loading.drop(application_server(), name)

    assert told == f"Restored into the database {name}. It has 0 services, 0 users, 0 uptime_records, 0 incident.\n"


def test_a_backup_that_we_did_not_sign_is_restored_and_proven_only_when_told_so(
    folder: Folder, settings: Settings
) -> None:
    run("backup", "--without-raw")
    (path,) = folder.backups()
    settings.SECRETS_KEYS, settings.SECRET_KEY = ["a new key that is long enough for us"], "and another, for sessions"

    for command in (["verify_backup"], ["verify_backup", str(path), "--quick"], ["restore", path.name, "--yes"]):
        with pytest.raises(CommandError, match=r"not made by this installation.*add --foreign"):
            run(*command)
    with pytest.raises(CommandError, match=r"--foreign requires FILE"):
        run("verify_backup", "--foreign")

    assert run("verify_backup", str(path), "--foreign") == f"{path} can be restored.\n"


def test_an_engine_that_cannot_be_stopped_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = application_server()
    monkeypatch.setattr(engine_stop, "SESSION_END_TIMEOUT_S", 0)
    with (
        psycopg.connect(**{**server.parameters, "application_name": "slamonitor celery"}),
        pytest.raises(BackupError, match=r"1 sessions from this machine.*Stop it"),
        engine_stopped(server, tmp_path),
    ):
        pass


def test_an_engine_that_has_just_been_stopped_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = application_server()
    worker = psycopg.connect(**{**server.parameters, "application_name": "slamonitor celery"})
    monkeypatch.setattr("slamonitor.running.engine_stop.time.sleep", lambda _: worker.close())
    monkeypatch.setattr(engine_stop, "SESSION_END_TIMEOUT_S", 60.0)

    with engine_stopped(server, tmp_path):
        assert worker.closed


def make_report(subject: str, ago: timedelta, problem: str = "", ended: bool = True) -> None:
    at = NOW - ago
    BackupReport.objects.create(
        subject=subject, began_at=at, ended_at=at if ended else None, is_good=ended and not problem, problem=problem
    )


@pytest.fixture
def installed(settings: Settings) -> None:
    """Long ago, and it keeps the time of Seoul."""
    from django.db.migrations.recorder import MigrationRecorder

    MigrationRecorder.Migration.objects.update(applied=NOW - timedelta(days=9))
    settings.PAGE_TIME_ZONE, settings.BACKUP_AT = SEOUL, time(2)


def test_a_night_begins_with_a_backup_and_ends_with_its_proof(installed: None) -> None:
    make_report("backup", timedelta(days=1))
    make_report("proof", timedelta(days=1))
    assert backup_night.due_command(NOW) == ["backup"]
    assert backup_night.due_command(NOW - timedelta(minutes=6)) == [], "it is not two o'clock yet"

    make_report("backup", timedelta(minutes=1))
    assert backup_night.due_command(NOW) == ["verify_backup"]

    make_report("proof", timedelta())
    assert backup_night.due_command(NOW) == []


def test_a_missed_night_is_made_up_for(installed: None) -> None:
    make_report("backup", timedelta(days=2))

    assert backup_night.due_command(NOW + timedelta(hours=7)) == ["backup"]


def test_a_new_installation_waits_for_its_first_night(installed: None) -> None:
    from django.db.migrations.recorder import MigrationRecorder

    MigrationRecorder.Migration.objects.update(applied=NOW - timedelta(minutes=4))

    assert backup_night.due_command(NOW) == []
    assert backup_night.due_command(NOW + timedelta(days=1)) == ["backup"]


@pytest.mark.parametrize("ended", [True, False])
def test_what_failed_or_was_killed_is_tried_again_after_an_hour(installed: None, ended: bool) -> None:
    make_report("backup", timedelta(minutes=59), problem="disk full", ended=ended)
    assert backup_night.due_command(NOW) == []
    assert backup_night.due_command(NOW + timedelta(minutes=2)) == ["backup"]


def test_nights_may_be_off(installed: None, settings: Settings) -> None:
    settings.BACKUP_AT = None
    make_report("backup", timedelta(days=2))

    assert backup_night.due_command(NOW) == []


def test_nothing_is_started_during_a_backup(installed: None) -> None:
    with application_server().reserved():
        assert backup_night.begin_due(NOW) == []


def test_of_closed_days_the_new_ones_and_the_longest_unproven_are_due() -> None:
    from database.backups.folder import Index, RawDay
    from database.backups.manifest import Content, RawFile

    content = Content(rows=1, checksum="0" * 16)
    ages = {"a": None, "b": "2026-03-09", "c": "2026-03-02", "d": None}
    days = {name: RawDay(file=name, signature="", content=content, proven_at=at) for name, at in ages.items()}
    files = [RawFile(table=name, file=name, content=content) for name in ages]

    assert [each.file for each in nights.due_days(Index(days=days), files)] == ["a", "d", "c"]


def test_the_bounds_of_reports() -> None:
    make_report("backup", timedelta(days=500))
    with reports.reported("backup"):
        pass

    assert BackupReport.objects.count() == 1
    assert reports.standing().backed_up_at <= timezone.now() <= datetime.now(UTC) + timedelta(seconds=1)


def test_the_command_tells_both_the_reason_and_what_stayed_behind() -> None:
    class Failing(BackupCommand):
        def work(self, *_: Any) -> None:
            error = BackupError("the disk is full.")
            error.add_note("The database x_restoring could not be dropped.")
            raise error

    with pytest.raises(CommandError, match=r"^the disk is full\.\nBesides: The database x_restoring could not"):
        Failing().handle()
