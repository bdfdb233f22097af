"""Describe the state of backups for the admin, `manage.py doctor` and /health."""

from datetime import datetime, time, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from database.backups.reports import Standing, standing
from database.models import BackupReport
from observability import health
from observability.diagnostics import Finding, Verdict, bad, good, note, warning
from slamonitor.doctor.words import ago, size

NIGHT_MISSED = timedelta(hours=26)
UNVERIFIED_AFTER = timedelta(hours=50)  # two nights without a verified restore
RUNS_AT_MOST = timedelta(hours=12)  # a run that has not ended by then was killed
STATUS = {Verdict.GOOD: health.Health.HEALTHY, Verdict.NOTE: health.Health.HEALTHY}  # others are degraded


def ask() -> Finding:
    """Read and judge. Three queries."""
    return judge(standing(), settings.BACKUP_AT, timezone.now())


def check() -> health.Finding:
    """Return the finding for /health, in English because programs read it."""
    with override("en"):
        found = ask()
    message = found.says if found.verdict in STATUS else f"{found.says} {found.remedy}"
    return health.Finding(status=STATUS.get(found.verdict, health.Health.DEGRADED), message=message)


def judge(now_stands: Standing, at: time | None, now: datetime) -> Finding:
    """Judge the state of backups; `at` is the time of the nightly backup, None if it is off."""
    if trouble := _failure(now_stands.last_backup, now):
        return bad(_("The last backup failed: %(why)s") % {"why": trouble}, _again("backup"))
    if now_stands.backed_up_at is None:
        return _none_yet(now_stands, at, now)
    told = {"backup": ago(now_stands.backed_up_at, now), "proof": ago(now_stands.proven_at, now)}
    if at is not None and now_stands.backed_up_at < now - NIGHT_MISSED:
        return bad(_("The last backup was %(backup)s.") % told, _again("backup"))
    if trouble := _failure(now_stands.last_proof, now):
        return bad(_("The newest backup could not be restored: %(why)s") % {"why": trouble}, _again("verify_backup"))
    says = _("Last backup %(backup)s, last verified restore %(proof)s.") % told
    if now_stands.last_backup and now_stands.last_backup.size_bytes:
        says = f"{says} {_('Its size: %(size)s.') % {'size': size(now_stands.last_backup.size_bytes)}}"
    since = now_stands.proven_at or now_stands.installed_at or now
    return good(says) if since >= now - UNVERIFIED_AFTER else warning(says, _again("verify_backup"))


def _none_yet(now_stands: Standing, at: time | None, now: datetime) -> Finding:
    if at is None:
        says = _("There is no backup, and nightly ones are off (BACKUP_AT).")
        return warning(says, _("Run backups/backup.sh from cron, or set BACKUP_AT."))
    if now_stands.installed_at and now_stands.installed_at < now - NIGHT_MISSED:
        return bad(_("There is no backup yet, although a night has passed."), _again("backup"))
    return note(_("The first backup will be taken at %(time)s.") % {"time": f"{at:%H:%M}"})


def _failure(report: BackupReport | None, now: datetime) -> str:
    """Return the reason of the last failure; empty if the last run did not fail, or has not ended yet."""
    if report is None or report.is_good:
        return ""
    if report.ended_at is None:
        return _("it was killed.") if report.began_at < now - RUNS_AT_MOST else ""
    return str(report.problem)


def _again(command: str) -> str:
    return _("Fix the problem in the message, then run: manage.py %(command)s") % {"command": command}


health.checks.register("backups", check)
