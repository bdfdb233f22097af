"""The results of backups and of their proofs: a row each, read by the admin and by /health."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max, Min, Q
from django.utils import timezone

from database.backups.problem import Busy
from database.models import BackupReport

REPORTS_KEPT_FOR = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state of backups and proofs."""

    backed_up_at: datetime | None  # the newest complete backup
    proven_at: datetime | None  # the newest restore that was compared
    last_backup: BackupReport | None  # successful or not
    last_proof: BackupReport | None
    installed_at: datetime | None


def standing() -> Standing:
    """Read the state of backups. Three queries."""
    reports = BackupReport.objects
    best = reports.filter(is_good=True).aggregate(
        backup=Max("ended_at", filter=Q(subject=BackupReport.BACKUP)),
        proof=Max("ended_at", filter=Q(subject=BackupReport.PROOF)),
    )
    last = {each.subject: each for each in reports.order_by("subject", "-began_at").distinct("subject")}
    return Standing(
        backed_up_at=best["backup"],
        proven_at=best["proof"],
        last_backup=last.get(BackupReport.BACKUP),
        last_proof=last.get(BackupReport.PROOF),
        installed_at=MigrationRecorder.Migration.objects.aggregate(at=Min("applied"))["at"],
    )


@contextmanager
def reported(subject: str) -> Iterator[BackupReport]:
    """Record the start of a job and how it ended. A job that finds another one running records nothing."""
    report = BackupReport.objects.create(subject=subject, began_at=timezone.now())
    if not connection.in_atomic_block:
        connection.close()  # the job may take hours, and the server be another one afterwards
    try:
        yield report
    except Busy:
        report.delete()
        raise
    except BaseException as error:
        # The database may be what failed; then people must see the original problem.
        with suppress(DatabaseError):
            _end(report, str(error) or type(error).__name__)
        raise
    _end(report, "")


def _end(report: BackupReport, problem: str) -> None:
    report.ended_at, report.problem, report.is_good = timezone.now(), problem, not problem
    report.save()
    BackupReport.objects.filter(began_at__lt=report.ended_at - REPORTS_KEPT_FOR).delete()
