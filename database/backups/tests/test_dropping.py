"""Databases that proofs and restores make for minutes: they go although others look at them, and hide no reason."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict

from database.backups import loading, nights, replacing
from database.backups.folder import Folder
from database.backups.problem import BackupError
from database.backups.progress import SILENT
from database.backups.server import Server
from database.backups.taking import take
from database.backups.tests.cast import Interfering, data_of, databases
from database.models import BackupReport

pytestmark = pytest.mark.django_db


@contextmanager
def superuser(server: Server, database: str) -> Iterator[Connection]:
    """Be whom our own role may not end, in a database of a server of the test's own."""
    who = {"host": server.parameters["host"], "port": server.parameters.get("port"), "user": "postgres"}
    with psycopg.connect(**who, dbname=database, autocommit=True) as connection:
        yield connection


def restoring(live: Server) -> str:
    return f"{live.database}_restoring"


def wait_until(question: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not question():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, postgres_at: Any) -> Iterator[Server]:
    """A server that begins to vacuum each database within a second, where our role is none of the server's own."""
    path = tmp_path_factory.mktemp("busy")
    for folder in (path, path.parent):
        folder.chmod(0o755)
    with postgres_at(path / "state", durable=True) as url:
        server = Server(parameters=conninfo_to_dict(url))
        with superuser(server, "postgres") as connection:
            connection.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
            connection.execute("SELECT pg_reload_conf()")
        yield server


def let_autovacuum_work(server: Server, name: str) -> None:
    """Make a table that takes an autovacuum worker minutes, and wait until one is at it."""
    with server.of(name).connect() as connection:
        connection.execute(
            "CREATE TABLE slow (n integer, t text) WITH (autovacuum_vacuum_cost_delay = 100, autovacuum_enabled,"
            " autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)"
        )
        connection.execute("INSERT INTO slow SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n")
        connection.execute("DELETE FROM slow WHERE n % 2 = 0")

    def is_at_it() -> bool:
        with superuser(server, "postgres") as connection:
            query = "SELECT FROM pg_stat_activity WHERE datname = %s AND backend_type = 'autovacuum worker'"
            return connection.execute(query, [name]).fetchone() is not None

    wait_until(is_at_it, "autovacuum did not come")


def test_an_autovacuum_worker_does_not_keep_a_database(busy: Server) -> None:
    name = "vacuumed"
    loading.create(busy, name)
    let_autovacuum_work(busy, name)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), busy.administration() as connection:
        connection.execute("DROP DATABASE vacuumed WITH (FORCE)")
    # That attempt may have ended nobody, so the worker is there still.

    loading.drop(busy, name)

    assert not loading.exists(busy, name)


def test_a_session_that_is_not_ours_to_end_is_waited_for(busy: Server) -> None:
    name = "held_for_a_while"
    loading.create(busy, name)
    with ThreadPoolExecutor(1) as pool:
        with superuser(busy, name):
            dropped = pool.submit(loading.drop, busy, name)
            wait_until(lambda: is_dropping(busy), "nobody tried to drop it")
        dropped.result(60)

    assert not loading.exists(busy, name)


def is_dropping(server: Server) -> bool:
    """Say whether somebody tries to drop a database and waits for its sessions, as only the plain command does."""
    with superuser(server, "postgres") as connection:
        query = (
            "SELECT FROM pg_stat_activity WHERE query LIKE 'DROP%' AND query NOT LIKE '%FORCE%' AND state = 'active'"
        )
        return connection.execute(query).fetchone() is not None


def test_who_keeps_a_database_for_too_long_is_named_with_a_remedy_that_works(busy: Server) -> None:
    name = "held_for_ever"
    loading.create(busy, name)
    with superuser(busy, name) as held:
        with pytest.raises(BackupError, match=rf"session {held.info.backend_pid} of postgres") as raised:
            loading.drop(busy, name, patience_s=0)
        remedy = str(raised.value).partition("run: ")[2]
        with superuser(busy, "postgres") as administrator:
            administrator.execute(remedy.encode())

    assert not loading.exists(busy, name)


def test_the_first_problem_is_told_and_that_of_cleaning_up_is_a_note(busy: Server) -> None:
    name = "full"
    with ExitStack() as holding:

        def fail() -> None:
            with loading.fresh_database(busy, name, patience_s=0):
                holding.enter_context(superuser(busy, name))
                raise BackupError("the disk is full")

        with pytest.raises(BackupError) as raised:
            fail()

    assert str(raised.value) == "the disk is full"
    assert "full could not be dropped: it is used by session" in raised.value.__notes__[0]
    loading.drop(busy, name)


def test_a_proof_that_fails_says_why_and_leaves_nothing(live: Server, folder: Folder) -> None:
    taken = take(live, folder)

    def end_its_sessions() -> None:
        with live.administration() as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(query, [restoring(live)])

    breaking = Interfering("loading", lambda: wait_and(live, end_its_sessions))
    with loading.source(taken.path) as found, pytest.raises(BackupError, match="not be loaded: terminating"):
        replacing.prove(live, found, breaking)

    assert databases(live) == {live.database}


def wait_and(live: Server, act: Callable[[], None]) -> None:
    """Act when the load has begun."""

    def is_there() -> bool:
        with live.administration() as connection:
            query = "SELECT FROM pg_stat_activity WHERE datname = %s"
            return connection.execute(query, [restoring(live)]).fetchone() is not None

    wait_until(is_there, "nobody came to load")
    act()


def test_what_a_killed_proof_left_goes_with_the_next_one(live: Server, folder: Folder) -> None:
    taken = take(live, folder)
    loading.create(live, restoring(live))

    with loading.source(taken.path) as found, psycopg.connect(**live.of(restoring(live)).parameters):
        replacing.prove(live, found, SILENT)

    assert databases(live) == {live.database}


def test_what_a_killed_proof_left_goes_before_a_backup(live: Server, folder: Folder) -> None:
    loading.create(live, restoring(live))

    nights.back_up(live, folder, SILENT, kept_days=30)

    assert databases(live) == {live.database}
    assert BackupReport.objects.get().is_good


def test_a_restore_with_somebody_in_the_database_it_makes(live: Server, folder: Folder) -> None:
    before, taken = data_of(live), take(live, folder)
    loading.create(live, restoring(live))

    with psycopg.connect(**live.of(restoring(live)).parameters), loading.source(taken.path) as found:
        replacing.in_place(live, found, folder, nullcontext, SILENT)

    assert databases(live) == {live.database}
    assert data_of(live).keys() == before.keys()
