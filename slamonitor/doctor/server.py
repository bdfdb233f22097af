"""Diagnose PostgreSQL: whether it answers, its version, our schema, and durability."""

import time
from datetime import datetime, timedelta

import psycopg
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.translation import gettext as _

from observability.diagnostics import Finding, bad, good, note, warning
from slamonitor.doctor.words import count

OLDEST_MAJOR = 15
SKEW_NOTED, SKEW_BAD = timedelta(seconds=0.5), timedelta(seconds=2)
WRAPAROUND_NEAR, WRAPAROUND_LATE = 1_000_000_000, 1_600_000_000  # of at most two billion transactions


def answers() -> Finding:
    """Open a connection outside the pool, because the pool would wait for long and hide the reason of a failure."""
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname", "connect_timeout")
    began = time.perf_counter()
    try:
        psycopg.connect(**{name: parameters[name] for name in names if name in parameters}).close()
    except psycopg.OperationalError as error:
        return refused(str(error))
    took = {"ms": round((time.perf_counter() - began) * 1000)}
    return good(_("It responds; a new connection took %(ms)s ms.") % took)


def refused(why: str) -> Finding:
    """Return a finding with the remedy for a failed connection, by PostgreSQL's message."""
    remedies = {
        "password authentication failed": _("Compare DATABASE_URL or DB_PASSWORD with the password of the role."),
        "does not exist": _("Create the database and the role first: docs/operations.md, “Install”."),
        "too many clients": _("Raise max_connections of PostgreSQL, or lower DB_MAX_CONNECTIONS."),
        "No space left": _("Free space on the disk of PostgreSQL: docs/operations.md, “The disk is full”."),
        "starting up": _("It is recovering after a crash. Wait, then run this again."),
    }
    fits = [remedy for words, remedy in remedies.items() if words in why]
    otherwise = _("Check that PostgreSQL is running and that DATABASE_URL has the right host and port. See its log.")
    says = _("PostgreSQL cannot be reached: %(why)s") % {"why": why.strip().splitlines()[0] if why.strip() else "?"}
    return bad(says, fits[0] if fits else otherwise)


def version() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::integer")
        return judge_version(int(cursor.fetchone()[0]))


def judge_version(number: int) -> Finding:
    """Judge PostgreSQL's version number: 180004 is 18.4."""
    words = {"version": f"{number // 10_000}.{number % 10_000}", "oldest": OLDEST_MAJOR}
    if number // 10_000 < OLDEST_MAJOR:
        return bad(
            _("PostgreSQL %(version)s is too old.") % words,
            _("Upgrade to PostgreSQL %(oldest)s or newer: back up, install it, restore.") % words,
        )
    return good(_("PostgreSQL %(version)s") % words)


def migrations() -> Finding:
    executor = MigrationExecutor(connection)
    known = {key for key in executor.loader.disk_migrations or {}}
    applied = set(executor.loader.applied_migrations)
    apps = {app for app, _name in known}
    return judge_migrations(
        missing=sorted(f"{app}.{name}" for app, name in known - applied),
        foreign=sorted(f"{app}.{name}" for app, name in applied - known if app in apps),
    )


def judge_migrations(missing: list[str], foreign: list[str]) -> Finding:
    """Judge migrations that are not applied yet, and applied ones that this release does not know."""
    if missing:
        says = _("%(count)s migrations are not applied: %(names)s") % {
            "count": len(missing),
            "names": ", ".join(missing[:5]),
        }
        return bad(says, _("Run: manage.py migrate"))
    if foreign:
        says = _("The database was migrated by a newer release: %(names)s") % {"names": ", ".join(foreign[:5])}
        return note(says, _("This is expected after a rollback; otherwise update this process to the newer release."))
    return good(_("All migrations are applied."))


def keeps_what_it_took() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings"
            " WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum', 'track_counts')"
        )
        return judge_switches(dict(cursor.fetchall()))


def judge_switches(switches: dict[str, str]) -> Finding:
    """Judge the settings of PostgreSQL on which durability or speed depends."""
    off = sorted(name for name, value in switches.items() if value == "off")
    if not off:
        return good(_("Stored data survives a power failure, and vacuum runs automatically."))
    says = _("Turned off in PostgreSQL: %(names)s.") % {"names": ", ".join(off)}
    remedy = _("Turn it on: ALTER SYSTEM SET %(name)s = on; SELECT pg_reload_conf();") % {"name": off[0]}
    return warning(says, remedy) if off == ["synchronous_commit"] else bad(says, remedy)


def clock() -> Finding:
    """Compare our clock with the server's; the duration of the query limits the precision."""
    before = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs: datetime = cursor.fetchone()[0]
    after = timezone.now()
    ahead = max(theirs - after, timedelta(0)) + min(theirs - before, timedelta(0))
    return judge_clock(ahead, within=after - before)


def judge_clock(ahead: timedelta, within: timedelta = timedelta(0)) -> Finding:
    """Judge the least difference between PostgreSQL's clock and ours; `within` is the precision of the comparison."""
    words = {"ms": round(ahead.total_seconds() * 1000)}
    if abs(ahead) >= SKEW_BAD:
        remedy = _(
            "Run a time service on both machines (chrony or systemd-timesyncd): checks are scheduled by the clock."
        )
        return bad(_("The clock of PostgreSQL is %(ms)s ms ahead of ours.") % words, remedy)
    if abs(ahead) >= SKEW_NOTED:
        return note(_("The clock of PostgreSQL is %(ms)s ms ahead of ours.") % words)
    agree = {"ms": max(1, round((abs(ahead) + within).total_seconds() * 1000))}
    return good(_("Our clock and PostgreSQL's agree within %(ms)s ms.") % agree)


def wraparound() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()")
        return judge_wraparound(int(cursor.fetchone()[0]))


def judge_wraparound(age: int) -> Finding:
    """Judge the age of the oldest unfrozen transaction; at two billion, PostgreSQL refuses writes."""
    says = _("%(count)s of 2,000,000,000 transaction ids are in use.") % {"count": count(age)}
    remedy = _("Find what blocks vacuum (an open transaction or a replication slot), then run: VACUUM FREEZE;")
    if age >= WRAPAROUND_LATE:
        return bad(says, remedy)
    return warning(says, remedy) if age >= WRAPAROUND_NEAR else good(says)
