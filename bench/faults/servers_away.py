"""PostgreSQL and Redis restarted, refusing connections, emptied; and a full disk."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import redis
from psycopg import sql

from bench.faults.fault import Fault, NotShown
from bench.faults.stage import Stage
from slamonitor.embedded.state_directory import read_env

DATABASE = "sla_monitor"
SMALL_MB = 64


def restart_postgres(stage: Stage) -> str:
    stage.kill("bin/postgres ", signal.SIGINT)  # "fast": ends connections, writes its checkpoint; `up` restarts it
    return ""


def refuse_connections(stage: Stage) -> str:
    """Let the server refuse all connections, and end the open ones."""
    with superuser(stage) as connection:
        connection.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false")
        try:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [DATABASE])
            time.sleep(stage.fault_s)
        finally:
            connection.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")
    return f"refused for {stage.fault_s} s"


def restart_redis(stage: Stage) -> str:
    stage.kill("(redis|valkey)-server", signal.SIGTERM)
    return ""


def flush_redis(stage: Stage) -> str:
    with _redis(stage) as client:
        client.flushall()
    return ""


def fill_disk(stage: Stage) -> str:
    """Move today's raw checks to a small disk, and keep it full for a while."""
    table = sql.Identifier(f"watch_server_logs_{datetime.now(UTC):%Y%m%d}")
    move = sql.SQL("ALTER TABLE {} SET TABLESPACE {}")
    with superuser(stage, DATABASE) as connection, small_disk(_socket_folder(stage).stat().st_uid) as disk:
        place = disk / "tablespace"
        connection.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(place)))
        connection.execute(move.format(table, sql.Identifier("small")))
        ballast = disk / "ballast"
        try:
            _fill(ballast)
            time.sleep(stage.fault_s)
            waiting = results_waiting(stage)
        finally:
            ballast.unlink(missing_ok=True)
            connection.execute(move.format(table, sql.Identifier("pg_default")))
            connection.execute("DROP TABLESPACE small")
    assert waiting, "nothing waited: the disk was not full"
    return f"full for {stage.fault_s} s, {waiting} batches waited"


def _fill(ballast: Path) -> None:
    """Write until the disk is full."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(8192))


def results_waiting(stage: Stage) -> int:
    with _redis(stage) as client:
        return int(client.llen("results")) + int(client.hlen("unacked"))


def _redis(stage: Stage) -> redis.Redis:
    return redis.Redis.from_url(read_env(stage.installation.state)["REDIS_URL"])


def _socket_folder(stage: Stage) -> Path:
    return Path(parse_qs(urlsplit(read_env(stage.installation.state)["DATABASE_URL"]).query)["host"][0])


@contextmanager
def superuser(stage: Stage, database: str = "postgres") -> Iterator[psycopg.Connection]:
    """Connect with the rights of the account that runs the server."""
    try:
        connection = psycopg.connect(host=str(_socket_folder(stage)), user="postgres", dbname=database, autocommit=True)
    except psycopg.OperationalError as error:
        raise NotShown(f"needs the superuser of the embedded server: {error}") from error
    with connection:
        yield connection


@contextmanager
def small_disk(owner: int) -> Iterator[Path]:
    """Mount a small file system in memory, which only root may, with an empty folder that belongs to the server."""
    with tempfile.TemporaryDirectory(prefix="slamonitor-disk-") as folder:
        Path(folder).chmod(0o755)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_MB}m,mode=1777", "tmpfs", folder]
        try:
            mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise NotShown("this machine has no mount") from error
        if mounted.returncode:
            raise NotShown(f"only root may mount a small disk: {mounted.stderr.strip()}")
        try:
            place = Path(folder) / "tablespace"
            place.mkdir()
            os.chown(place, owner, -1)
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


FAULTS = [
    Fault(
        name="PostgreSQL restarted",
        promise="results wait in the queue; a gap, shown as unknown; full rate within 10 s",
        strike=restart_postgres,
    ),
    Fault(
        name="PostgreSQL refuses connections",
        promise="the page stays; a gap, shown as unknown; full rate within 10 s of its return",
        strike=refuse_connections,
    ),
    Fault(
        name="Redis restarted",
        promise="what was in flight may be a gap, shown as unknown; full rate within 10 s",
        strike=restart_redis,
    ),
    Fault(
        name="Redis emptied",
        promise="what was in flight is a gap, shown as unknown; full rate within 10 s",
        strike=flush_redis,
    ),
    Fault(
        name="no room on the database's disk",
        promise="results wait in the queue and are stored once there is room; full rate within 10 s of it",
        strike=fill_disk,
    ),
]
