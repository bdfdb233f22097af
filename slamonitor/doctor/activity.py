"""Find open connections, dead rows that vacuum has not removed yet, and slow statements."""

from collections.abc import Callable, Sequence

from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from database.sql import statement
from observability.diagnostics import Finding, Table, bad, good, note, warning
from slamonitor.doctor.space import TableSize, tables
from slamonitor.doctor.words import ago, count

IDLE_FOR_S = 300
LONG_TRANSACTION_S = 3600
DEAD_SHARE, DEAD_ROWS = 0.4, 100_000  # dead rows of a table below either are not reported
SLOW_MS = 1000


def connections() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute(statement("slamonitor", "connections"), {"idle_for": f"{IDLE_FOR_S} s"})
        used, limit, ours, idle, longest_s = cursor.fetchone()
    return judge_connections(used=used, limit=limit, ours=ours, idle=idle, longest_s=longest_s)


def judge_connections(*, used: int, limit: int, ours: int, idle: int, longest_s: float) -> Finding:
    """Judge the connections of the server, our own among them, and transactions that stay open."""
    words = {"used": used, "limit": limit, "ours": ours, "idle": idle, "minutes": round(longest_s / 60)}
    says = _("%(used)s of %(limit)s connections are in use, %(ours)s of them to this database.") % words
    if used >= 0.95 * limit:
        return bad(says, _("Raise max_connections of PostgreSQL, or lower DB_MAX_CONNECTIONS."))
    if idle:
        says = f"{says} {_('%(idle)s have been idle in an open transaction for minutes.') % words}"
        return warning(says, _("Find them: SELECT pid, query FROM pg_stat_activity WHERE state LIKE 'idle in%';"))
    if longest_s >= LONG_TRANSACTION_S:
        says = f"{says} {_('The oldest transaction has been open for %(minutes)s minutes.') % words}"
        return warning(
            says, _("A dump may take that long. End any other such transaction: it prevents vacuum from removing rows.")
        )
    if used >= 0.8 * limit:
        return warning(says, _("Raise max_connections of PostgreSQL, or lower DB_MAX_CONNECTIONS."))
    return good(says)


def dead_rows() -> Finding:
    now = timezone.now()
    return judge_dead_rows(tables(), lambda table: ago(table.vacuumed_at, now))


def judge_dead_rows(found: Sequence[TableSize], vacuumed: Callable[[TableSize], str]) -> Finding:
    """Judge the dead rows of tables that are large enough to matter."""
    full = [
        each
        for each in found
        if each.dead_rows > DEAD_ROWS and each.dead_rows > DEAD_SHARE * (each.live_rows + each.dead_rows)
    ]
    words = {
        "live": count(sum(each.live_rows for each in found)),
        "dead": count(sum(each.dead_rows for each in found)),
    }
    if full:
        says = _("Vacuum is falling behind: %(tables)s") % {
            "tables": ", ".join(f"{each.name} ({count(each.dead_rows)}, {vacuumed(each)})" for each in full)
        }
        return warning(
            says,
            _("Run VACUUM %(table)s; and lower autovacuum_vacuum_scale_factor if this happens again.")
            % {"table": full[0].name},
        )
    return good(_("%(live)s live rows, %(dead)s dead rows that vacuum will remove.") % words)


def slow_statements() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting::integer FROM pg_settings WHERE name = 'log_min_duration_statement'")
        logged_ms = int(cursor.fetchone()[0])
    return judge_slow(logged_ms, _slowest())


def judge_slow(logged_ms: int, slowest: Sequence[tuple[str, int, float, float]] | None) -> Finding:
    """Report the slowest statements (None: unknown), and whether PostgreSQL logs slow ones."""
    table = None
    if slowest is not None:
        columns = [_("Statement"), _("Calls"), _("Mean, ms"), _("Total, s")]
        rows = [[text, count(calls), f"{mean:,.1f}", f"{total / 1000:,.1f}"] for text, calls, mean, total in slowest]
        table = Table(columns=columns, rows=rows)
    slow = [row for row in slowest or () if row[2] > SLOW_MS]
    if slow:
        return warning(
            _("%(count)s statements take more than a second on average.") % {"count": len(slow)},
            _("Show the plan with EXPLAIN (ANALYZE, BUFFERS), and run ANALYZE if its estimates are far off."),
            table,
        )
    if not 0 <= logged_ms <= SLOW_MS:
        says = _("PostgreSQL does not log statements slower than a second; SLA Monitor logs its own.")
        return note(says, _("ALTER SYSTEM SET log_min_duration_statement = 1000; SELECT pg_reload_conf();"), table)
    if slowest is None:
        says = _("Statements slower than a second are logged. The total time by statement is not recorded.")
        return good(f"{says} {_('To record it, install the extension pg_stat_statements.')}")
    return good(_("No statement takes more than a second on average, and slow ones are logged."), table)


def _slowest() -> list[tuple[str, int, float, float]] | None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('pg_stat_statements')")
            if cursor.fetchone() == (None,):  # not installed; a failing statement would be an error in PostgreSQL's log
                return None
            cursor.execute(statement("slamonitor", "slow_statements"), {})
            return list(cursor.fetchall())
    except DatabaseError:  # the extension is not loaded, or not permitted
        return None
