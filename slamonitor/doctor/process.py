"""Report the release, the platform and the settings, and whether the nightly jobs were done."""

import os
import platform
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import celery
import django
from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django.utils.translation import gettext as _

from database.models import NightlyRun
from monitoring.config import clock
from monitoring.engine.workers import is_alive
from monitoring.models import EngineWorker
from observability.diagnostics import Finding, Table, bad, good, note, warning
from observability.version import VERSION
from slamonitor.doctor.words import ago
from slamonitor.housekeeping.nightly import STEPS

NIGHT_MISSED = timedelta(hours=26)


def versions() -> Finding:
    now = timezone.now()
    seen = {
        worker.facts.get("version") for worker in EngineWorker.objects.all() if worker.facts and is_alive(worker, now)
    }
    return judge_versions(VERSION, {str(version) for version in seen if version})


def judge_versions(ours: str, of_workers: Collection[str]) -> Finding:
    """Report the release and the platform, and judge whether living workers run the same release."""
    words = {
        "ours": ours,
        "python": platform.python_version(),
        "django": django.get_version(),
        "celery": celery.__version__,
        "others": ", ".join(sorted(set(of_workers) - {ours})),
    }
    says = _("SLA Monitor %(ours)s on Python %(python)s, Django %(django)s, Celery %(celery)s.") % words
    if words["others"]:
        says = f"{says} {_('Some workers run %(others)s.') % words}"
        return note(says, _("This is expected during an upgrade; afterwards restart the workers of the old release."))
    return good(says)


def user() -> Finding:
    alive = [worker for worker in EngineWorker.objects.order_by("name") if is_alive(worker, clock.now())]
    roots = [worker.name for worker in alive if worker.facts and worker.facts.get("uid") == 0]
    return judge_user(is_root=os.geteuid() == 0, workers=roots)


def judge_user(*, is_root: bool, workers: Sequence[str]) -> Finding:
    """Judge whether this process or a worker, which connects to foreign servers, runs as root."""
    remedy = _("Run it as a dedicated user, as the container and the units in deploy/systemd do.")
    if workers:
        return warning(_("These workers run as root: %(names)s") % {"names": ", ".join(workers)}, remedy)
    if is_root:
        return note(_("This process runs as root."), remedy)
    return good(_("No process runs as root."))


def set_up() -> Finding:
    return judge_set_up(run_checks(include_deployment_checks=True), is_https=settings.HTTPS)


def judge_set_up(problems: Sequence[CheckMessage], *, is_https: bool) -> Finding:
    """Judge the problems that system checks found; without TLS, those about it are combined."""
    errors = [problem for problem in problems if problem.is_serious()]
    others = [problem for problem in problems if not problem.is_serious() and problem.id != "security.W018"]
    table = Table(columns=[_("Check"), _("Details")], rows=[[str(p.id), str(p.msg)] for p in problems], numbers_from=2)
    if errors:
        return bad(str(errors[0].msg), str(errors[0].hint or _("Run: manage.py check")), table)
    if settings.DEBUG:
        return bad(_("DEBUG shows internal details to everybody."), _("Set DEBUG=false and restart."))
    if not is_https:
        remedy = _("This is fine on your own machine. For a public page, put a TLS proxy in front and set HTTPS=true.")
        return note(_("The page is served without TLS."), remedy)
    if others:
        return warning(_("The deployment checks found problems."), str(others[0].hint or others[0].msg), table)
    return good(_("The deployment checks found no problems."))


def nights() -> Finding:
    runs = {run.name: run for run in NightlyRun.objects.all()}
    first = MigrationRecorder(connection).migration_qs.order_by("applied").values_list("applied", flat=True).first()
    return judge_nights({**dict.fromkeys(STEPS), **runs}, first or timezone.now(), timezone.now())


def judge_nights(runs: Mapping[str, NightlyRun | None], installed_at: datetime, now: datetime) -> Finding:
    """Judge the newest run of each nightly job; None: it never ran, which is normal on the first day."""
    columns = [_("Job"), _("Last run"), _("Outcome")]
    rows = [[name, ago(run.begun_at if run else None, now), _outcome(run) if run else ""] for name, run in runs.items()]
    table = Table(columns=columns, rows=rows, numbers_from=3)
    if failed := [run for run in runs.values() if run and run.error]:
        says = _("The maintenance job “%(name)s” failed: %(error)s") % {
            "name": failed[0].name,
            "error": failed[0].error,
        }
        return bad(says, _("It is retried every hour. Fix the problem in the message."), table)
    begun = {name: run.begun_at if run else installed_at for name, run in runs.items()}
    if missed := [name for name, at in begun.items() if at < now - NIGHT_MISSED]:
        says = _("Maintenance jobs that did not run: %(names)s") % {"names": ", ".join(missed)}
        return warning(
            says, _("Make sure that beat and a worker for the queue “rollups” are running. They will catch up."), table
        )
    if None in runs.values():
        return note(_("Maintenance jobs run for the first time a few minutes after the start."), table=table)
    return good(_("All maintenance jobs have run."), table)


def _outcome(run: NightlyRun) -> str:
    if run.error:
        return run.error
    return _("done") if run.finished_at else _("not finished")
