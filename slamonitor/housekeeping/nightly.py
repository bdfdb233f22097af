"""The nightly maintenance jobs, at 03:00 in the page's time zone. Each is done, recorded and repeated separately."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, time, tzinfo
from importlib import import_module

from django.conf import settings
from django.db import connection

from database import retention
from database.models import DatabaseSize
from database.nightly import once_a_night
from incidents.reconciliation.reconcile import reconcile
from monitoring.accounting import night_audit
from monitoring.engine import workers

logger = logging.getLogger(__name__)

BEGINS_AT = time(3)
Step = Callable[[datetime], object]


def run(now: datetime, zone: tzinfo, steps: Mapping[str, Step] | None = None) -> list[str]:
    """Run the due jobs and return their names. A failing job is logged and recorded; the others still run."""
    done = []
    for name, step in (STEPS if steps is None else steps).items():
        try:
            with once_a_night(name, BEGINS_AT, now, zone) as is_due:
                if is_due:
                    step(now)
                    done.append(name)
        except Exception:
            logger.exception("a nightly job failed", extra={"job": name})
    return done


def drop_old_days(now: datetime) -> None:
    for table in retention.registered():
        retention.sweep(table, now)


def clear_sessions(now: datetime) -> None:
    """Delete expired sessions, which Django does not do by itself."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


def measure(now: datetime) -> None:
    """Record the size of the database after the nightly jobs, from which its growth is computed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        DatabaseSize.objects.create(measured_at=now, size_bytes=cursor.fetchone()[0])


def compare_incidents(now: datetime) -> None:
    reconcile(now, settings.PAGE_TIME_ZONE)


STEPS: Mapping[str, Step] = {
    "retention": drop_old_days,
    "sessions": clear_sessions,
    "workers": workers.forget,
    "audit": night_audit.run,
    "reconciliation": compare_incidents,
    "size": measure,
}
