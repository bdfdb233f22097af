"""The work of a night: a backup with its copies and deletions, then the proof that it can be restored."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, tzinfo
from pathlib import Path

from django.utils import timezone

from database import nightly
from database.backups import bucket, loading, replacing, reports
from database.backups.folder import Folder, Index
from database.backups.manifest import Kind, RawFile
from database.backups.problem import BackupError, Busy
from database.backups.progress import Progress
from database.backups.reports import Standing
from database.backups.server import Server
from database.backups.taking import Taken, take
from database.models import BackupReport


def back_up(server: Server, folder: Folder, progress: Progress, *, kept_days: int, kind: Kind = Kind.WHOLE) -> Taken:
    """Take a backup, copy it, and delete expired ones. Raises `BackupError`."""
    with reports.reported(BackupReport.BACKUP) as report:
        _make_room(server, progress)
        taken = take(server, folder, kind, progress=progress)
        report.file, report.size_bytes = taken.path.name, taken.size_bytes
        if bucket.is_on():
            bucket.upload(folder.path, [*taken.raw_paths, taken.path], progress)
        delete_old(server, folder, progress, kept_days=kept_days)
    return taken


def _make_room(server: Server, progress: Progress) -> None:
    """Drop the database that a killed proof left: on a full disk it would prevent the backup, and so the next proof."""
    try:
        with server.reserved():
            replacing.drop_left_behind(server)
    except Busy:
        raise
    except BackupError as error:  # such as a role that may not see other databases; the backup needs none
        progress.step(str(error))


def delete_old(server: Server, folder: Folder, progress: Progress, *, kept_days: int) -> list[Path]:
    """Delete expired files, here and in the bucket, and return them. Raises `BackupError`.

    Does nothing while another backup is being written: no backup names its new closed days yet.
    """
    try:
        with server.reserved():
            deleted = folder.delete_old(timezone.now(), kept_days)
    except Busy:
        progress.step("another backup is running; old ones are deleted the next time")
        return []
    for path in deleted:
        progress.step(f"deleted {path.name}")
    if bucket.is_on():
        bucket.delete(folder.path, deleted)
    return deleted


def prove_newest(server: Server, folder: Folder, progress: Progress) -> Path:
    """Restore the newest backup into a separate database and compare. Raises `BackupError`.

    It includes the closed days that were never proven, and the one proven longest ago: so a large history isn't
    restored every night.
    """
    with reports.reported(BackupReport.PROOF) as report:
        path = newest(folder)
        report.file, report.size_bytes = path.name, path.stat().st_size
        prove(server, folder, path, progress, only_due=True)
    return path


def newest(folder: Folder) -> Path:
    """Return the newest backup with the data of all tables. Raises `BackupError` if there is none."""
    path = folder.newest_restorable()
    if path is None:
        raise BackupError(f"There is no backup in {folder.path}. Take one with `manage.py backup`.")
    return path


def prove(
    server: Server, folder: Folder, path: Path, progress: Progress, *, only_due: bool = False, foreign: bool = False
) -> None:
    """Restore a backup and compare it, with all of its closed days or those that are due. Raises `BackupError`."""
    index = folder.index()
    with loading.source(path, (lambda days: due_days(index, days)) if only_due else None, foreign=foreign) as found:
        replacing.prove(server, found, progress)
        proven = {each.file for each in found.raw_files}
    now, index = timezone.now().isoformat(), folder.index()  # read again: a backup may have been taken meanwhile
    days = {name: replace(day, proven_at=now) if day.file in proven else day for name, day in index.days.items()}
    if days:
        folder.remember(Index(days=days, backups=index.backups))


def due_days(index: Index, raw_files: Sequence[RawFile]) -> list[RawFile]:
    """Return the closed days to prove now: the new ones, and the one proven longest ago."""
    proven_at = {day.file: day.proven_at for day in index.days.values()}
    new = [each for each in raw_files if not proven_at.get(each.file)]
    old = sorted((each for each in raw_files if proven_at.get(each.file)), key=lambda each: str(proven_at[each.file]))
    return [*new, *old[:1]]


def is_backup_due(standing: Standing, now: datetime, at: time | None, zone: tzinfo) -> bool:
    """Return whether the hour of a night has come since the last backup; a missed night's backup follows later."""
    since = standing.backed_up_at or standing.installed_at or now
    return at is not None and since < nightly.latest(at, now, zone) and _may_try_again(standing.last_backup, now)


def is_proof_due(standing: Standing, now: datetime, at: time | None) -> bool:
    """Return whether there is a backup that was not proven since it was taken."""
    if at is None or standing.backed_up_at is None:
        return False
    is_proven = standing.proven_at is not None and standing.proven_at >= standing.backed_up_at
    return not is_proven and _may_try_again(standing.last_proof, now)


def _may_try_again(last: BackupReport | None, now: datetime) -> bool:
    return last is None or last.is_good or last.began_at <= now - nightly.RETRY_AFTER
