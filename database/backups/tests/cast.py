"""Fixtures for the tests of backups: rows, their later content, and progress that interferes."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from database.backups import contents
from database.backups.manifest import Content
from database.backups.progress import Progress
from database.backups.server import Server

# They stay the same at any time of day, and when midnight passes during the tests.
OPEN = datetime.now(UTC).date() + timedelta(days=1)
CLOSED = (OPEN - timedelta(days=4), OPEN - timedelta(days=3))


def fill(server: Server) -> None:
    """Add text that COPY must quote, and three days of checks: two are closed."""
    with server.connect() as connection:
        days = (*CLOSED, OPEN)
        for day in days:
            connection.execute(
                f"CREATE TABLE watch_server_logs_{day:%Y%m%d} PARTITION OF watch_server_logs"
                f" FOR VALUES FROM ('{day:%Y-%m-%d}') TO ('{day + timedelta(days=1):%Y-%m-%d}')".encode()
            )
        # Text that looks like psql's own, with everything that COPY must quote.
        connection.execute(
            "INSERT INTO change_counters (topic, value)"
            " SELECT E'\\\\restrict\\t주제\\n\\\\.\\r\\\\unrestrict ' || n, n FROM generate_series(1, 3) n"
        )
        connection.execute("INSERT INTO change_counters VALUES ('page', 7)")
        for day in days:
            add_checks(server, day, 50)


def add_checks(server: Server, day: date, count: int, service: str = "payments") -> None:
    """Add checks of a day, one a second from midnight on."""
    midnight = datetime.combine(day, time(), UTC)
    with server.connect() as connection:
        connection.execute(
            "INSERT INTO watch_server_logs"
            " (checked_at, response_time, lateness_ms, interval_ms, service_id, region, verdict)"
            " SELECT %s + make_interval(secs => n), n, 0, 60000, %s, 'default', 'ok' FROM generate_series(1, %s) n",
            [midnight, service, count],
        )


def data_of(server: Server) -> dict[str, Content]:
    """Return what stands in every table."""
    with server.connect() as connection:
        return {table.name: contents.content(connection, table.name) for table in contents.tables(connection)}


def databases(server: Server) -> set[str]:
    with server.administration() as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{server.database}%"])
        return {name for (name,) in rows.fetchall()}


class Interfering(Progress):
    """Do something when the rows of a file have begun to flow."""

    def __init__(self, words: str, act: Callable[[], None]) -> None:
        super().__init__(None)
        self._words, self._act = words, act

    def count(self, words: str, chunks: Iterator[bytes], total: int) -> Iterator[bytes]:
        for number, chunk in enumerate(chunks):
            if number == 0 and words == self._words:
                self._act()
            yield chunk
