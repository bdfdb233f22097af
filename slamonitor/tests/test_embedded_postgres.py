"""The embedded PostgreSQL, really run: made, crashed, refused, sheltered."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from slamonitor.embedded import standalone
from slamonitor.embedded.postgres import LONGEST_SOCKET_PATH, EmbeddedPostgres, client_variables
from slamonitor.embedded.programs import find_postgres
from slamonitor.embedded.server_user import SHELTERS, server_user
from slamonitor.embedded.state_directory import EmbeddedError, StateDirectory, read_env

pytestmark = pytest.mark.processes

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives its servers to another user")


@pytest.fixture(scope="module")
def kept() -> Iterator[StateDirectory]:
    """A state directory with an initialised cluster that tests may start, crash and start again."""
    with standalone.state_directory(None) as state:
        with started(state):
            pass
        yield state


@contextlib.contextmanager
def started(
    state: StateDirectory, *, durable: bool = False
) -> Iterator[tuple[EmbeddedPostgres, "subprocess.Popen[bytes]"]]:
    server = EmbeddedPostgres(state, durable=durable)
    server.prepare()
    state.update_env(server.env)
    with standalone.running(server.process(), log=server.folder / "postgres.log") as child:
        yield server, child


def answer(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        return row and row[0]


def test_application_owns_its_database_and_is_no_superuser(kept: StateDirectory) -> None:
    with started(kept) as (server, _), psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE mine (id int)")

        shown = connection.execute(
            "SELECT current_user, current_database(), rolsuper, current_setting('data_checksums'),"
            " current_setting('server_encoding'), current_setting('listen_addresses')"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()

    assert shown == ("sla_monitor", "sla_monitor", False, "on", "UTF8", "")


def test_wrong_password_is_refused(kept: StateDirectory) -> None:
    with started(kept) as (server, _), pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.url, password="guess")


def test_lost_password_is_replaced_by_a_new_one(kept: StateDirectory) -> None:
    (kept.path / "env").unlink()

    with started(kept) as (server, _):
        assert answer(server.url, "SELECT 1") == 1


def test_psql_finds_the_server_by_the_env_file(kept: StateDirectory) -> None:
    with started(kept) as (server, _):
        psql = server.programs / "bin" / "psql"
        script = f"set -a; . {kept.path}/env; {psql} -Atc 'SELECT current_user'"
        shown = subprocess.run(["sh", "-c", script], env={}, capture_output=True, text=True, check=True)

    assert shown.stdout == "sla_monitor\n"


def test_committed_rows_survive_kill_9_of_the_server(kept: StateDirectory) -> None:
    with started(kept, durable=True) as (server, child):
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS crash AS SELECT 7 AS kept")
        child.send_signal(signal.SIGKILL)
        child.wait()

    with started(kept) as (server, _):
        assert answer(server.url, "SELECT kept FROM crash") == 7


def test_server_left_by_a_killed_up_is_ended_first(kept: StateDirectory) -> None:
    with started(kept) as (_, left), started(kept) as (server, _):
        assert left.wait(60) is not None
        assert answer(server.url, "SELECT 1") == 1


def test_stale_lock_file_with_a_reused_process_number_does_no_harm(kept: StateDirectory) -> None:
    lock_file = EmbeddedPostgres(kept).data / "postmaster.pid"
    lock_file.write_text(f"{os.getpid()}\n/elsewhere\n")

    with started(kept) as (server, _):
        assert answer(server.url, "SELECT 1") == 1


def test_two_installations_run_side_by_side(kept: StateDirectory) -> None:
    with started(kept) as (one, _), EmbeddedPostgres.running() as other:
        assert answer(one.url, "SELECT 1") == answer(other, "SELECT 1")
        assert one.url != other


def test_data_of_another_major_version_is_refused_with_a_hint(kept: StateDirectory) -> None:
    server = EmbeddedPostgres(kept)
    version = (server.data / "PG_VERSION").read_text()
    (server.data / "PG_VERSION").write_text("13\n")
    try:
        with pytest.raises(EmbeddedError, match=r"written by PostgreSQL 13.*pg_dump"):
            server.prepare()
    finally:
        (server.data / "PG_VERSION").write_text(version)


def test_server_that_cannot_start_shows_the_end_of_its_log(kept: StateDirectory) -> None:
    configuration = EmbeddedPostgres(kept).data / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text(good + "\nmax_connections = many\n")
    try:
        with pytest.raises(EmbeddedError, match="max_connections"), started(kept):
            pass
    finally:
        configuration.write_text(good)


def test_long_state_directory_gets_a_short_socket_path() -> None:
    with standalone.state_directory(None) as outer:
        state = StateDirectory.create(outer.path / ("long" * 25))
        with started(state) as (server, _):
            assert len(f"{server.sockets}/.s.PGSQL.5432.lock") <= LONGEST_SOCKET_PATH
            assert server.sockets.stat().st_mode & 0o777 == 0o700
            assert answer(server.url, "SELECT 1") == 1
        shutil.rmtree(server.sockets)


def test_short_socket_folder_of_a_stranger_is_refused() -> None:
    with standalone.state_directory(None) as outer:
        state = StateDirectory.create(outer.path / ("long" * 25))
        sockets = EmbeddedPostgres(state).sockets
        sockets.chmod(0o777)
        try:
            with pytest.raises(EmbeddedError, match="somebody else's"):
                EmbeddedPostgres(state)
        finally:
            sockets.rmdir()


def test_interrupted_initialisation_is_started_again() -> None:
    with standalone.state_directory(None) as state:
        half = EmbeddedPostgres(state).folder / "postgres.new"
        half.mkdir()
        (half / "PG_VERSION").write_text("18\n")

        with started(state) as (server, _):
            assert answer(server.url, "SELECT 1") == 1
        assert not half.exists()


@as_root
def test_closed_folder_as_root_keeps_its_mode_and_the_data_in_a_shelter() -> None:
    with standalone.state_directory(None) as outer:
        outer.path.chmod(0o700)
        state = StateDirectory.create(outer.path / "var")
        with started(state) as (server, _):
            sheltered = server.folder
            assert answer(server.url, "SELECT 1") == 1
        with started(state) as (again, _):
            assert again.folder == sheltered
        assert outer.path.stat().st_mode & 0o777 == 0o700
        assert sheltered.parent in SHELTERS
        assert (state.path / "servers").resolve() == sheltered

        shutil.rmtree(sheltered)
        with pytest.raises(EmbeddedError, match="which is gone"):
            EmbeddedPostgres(state)


def names_of(folder: Path) -> set[int]:
    """Return whose the files and folders are."""
    return {path.lstat().st_uid for path in (folder, *folder.rglob("*"))}


@as_root
@pytest.mark.parametrize("who", ["nobody", "the server's own user"])
def test_as_root_nobody_else_is_superuser_nor_reads_the_data(who: str) -> None:
    with EmbeddedPostgres.running() as url, psycopg.connect(url) as connection:
        data = Path(connection.execute("SELECT current_setting('data_directory')").fetchone()[0])
        user = EmbeddedPostgres(StateDirectory(data.parents[1])).user
        assert user.name is None and names_of(data) == {user.uid}

        account = pwd.getpwnam("nobody")
        uid, gid = (account.pw_uid, account.pw_gid) if who == "nobody" else (user.uid, user.gid)
        psql = [
            str(find_postgres() / "bin" / "psql"),
            "-h",
            str(data.parent / "run"),
            "-U",
            "postgres",
            "-c",
            "SELECT 1",
        ]
        said = subprocess.run(psql, user=uid, group=gid, extra_groups=[], cwd="/", capture_output=True, text=True)
        assert said.returncode != 0 and "failed" in said.stderr, said.stderr
        read = subprocess.run(["cat", str(data / "pg_hba.conf")], user=account.pw_uid, group=account.pw_gid, cwd="/")
        assert read.returncode != 0


@as_root
def test_data_of_a_release_that_ran_the_servers_as_nobody_are_taken_over() -> None:
    account = pwd.getpwnam("nobody")
    with standalone.state_directory(None) as state:
        with started(state, durable=True) as (server, child):
            with psycopg.connect(server.url) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
            child.send_signal(signal.SIGKILL)  # so that its socket and its lock stay
            child.wait()
        for path in (server.folder, *server.folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)

        with started(state) as (again, _):
            assert answer(again.url, "SELECT number FROM kept") == 7
        assert names_of(again.data) == {again.user.uid} != {account.pw_uid}


@as_root
def test_taking_over_leaves_what_a_link_leads_to(tmp_path: Path) -> None:
    user, former = server_user(StateDirectory(tmp_path)), pwd.getpwnam("nobody").pw_uid
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.touch()
    ours.mkdir()
    (ours / "symbolic").symlink_to(theirs)
    (ours / "hard").hardlink_to(theirs)
    (ours / "file").touch()
    for path in (ours, ours / "symbolic", ours / "file"):
        os.chown(path, former, -1, follow_symlinks=False)

    user.own_all(ours)

    assert theirs.stat().st_uid == 0
    assert {path.lstat().st_uid for path in (ours, ours / "symbolic", ours / "file")} == {user.uid}


@as_root
def test_ordinary_user_runs_a_server_of_its_own() -> None:
    # Forked, not started: the Python of a virtual environment may lie in a folder that is closed to others.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on, of threads that other tests have left
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            become("nobody")
            with EmbeddedPostgres.running() as url:
                status = 0 if answer(url, "SELECT current_user") == "sla_monitor" else 1
        finally:
            os._exit(status)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def become(name: str) -> None:
    account = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def test_url_is_spelt_out_for_postgres_programs() -> None:
    found = client_variables("postgresql://me:p%40ss@db.example:6000/sla")

    assert (found["PGHOST"], found["PGPORT"]) == ("db.example", "6000")
    assert (found["PGUSER"], found["PGDATABASE"], found["PGPASSWORD"]) == ("me", "sla", "p@ss")


def test_env_file_of_a_running_server_names_it(kept: StateDirectory) -> None:
    with started(kept) as (server, _):
        assert read_env(kept.path)["DATABASE_URL"] == server.url
