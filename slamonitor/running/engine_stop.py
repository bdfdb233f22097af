"""Stop the engine while its data is replaced, or refuse if somebody else must stop it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from psycopg import Connection

from database.backups.problem import BackupError
from database.backups.server import Server
from slamonitor.embedded.installations import is_running
from slamonitor.running import pause

WORKERS = "%celery%"  # part of the name that `settings.py` gives their connections
SESSION_END_TIMEOUT_S = 5.0  # a session outlives its worker until the end of a statement

SESSIONS = """
    SELECT count(*), coalesce(string_agg(DISTINCT coalesce(host(client_addr), 'this machine'), ', '), '')
    FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE %s
"""


@contextmanager
def engine_stopped(server: Server, state: Path) -> Iterator[None]:
    """Pause the engine of a running `manage.py up`; refuse where another one is at work. Raises `BackupError`."""
    try:
        with pause.paused(state) if is_running(state) else nullcontext():
            _require_stopped(server)
            yield
    except pause.NotPaused as error:
        raise BackupError(f"{error} Nothing was changed.") from error


def _require_stopped(server: Server) -> None:
    deadline = time.monotonic() + SESSION_END_TIMEOUT_S
    with server.connect() as connection:
        count, places = _sessions(connection)
        while count and time.monotonic() < deadline:
            time.sleep(0.1)
            count, places = _sessions(connection)
    if count:
        raise BackupError(
            f"An engine is running on {server.database} that cannot be stopped from here: {count} sessions from"
            f" {places}. Nothing was changed. Stop it (systemctl stop, docker compose stop, or Ctrl-C), then try again;"
            " the page may go on."
        )


def _sessions(connection: Connection[Any]) -> tuple[int, str]:
    """Return the number of sessions of workers, and their hosts."""
    return connection.execute(SESSIONS, [WORKERS]).fetchone() or (0, "")
