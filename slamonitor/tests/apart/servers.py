"""A PostgreSQL and a Redis as an operator runs them: plain servers, with the commands of docker-compose.yml.

Debian's packages where they are there or can be had, else the programs that we bring, started as plain servers too.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from slamonitor.embedded import standalone
from slamonitor.embedded.programs import find_postgres, find_redis
from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.running.child import Process
from slamonitor.tests.installation import free_port

DEBIAN = Path("/usr/lib/postgresql")
OLDEST = 15
GET_WITHIN_S = 60
REDIS_PACKAGES = ("redis-server", "redis-tools", "libjemalloc2", "liblzf1", "libatomic1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where they listen, and whose programs they are."""

    db_port: int
    redis_port: int
    postgres: Path
    redis: Path

    def __str__(self) -> str:
        return f"PostgreSQL {self.postgres}, Redis {self.redis}"


@contextlib.contextmanager
def running(services: Mapping[str, dict[str, Any]]) -> Iterator[Servers]:
    """Start both by the commands of the compose file and end them with the block."""
    folder = Path(tempfile.mkdtemp(prefix="slamonitor-plain-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with contextlib.ExitStack() as stack:
            postgres_bin, redis_program = _postgres_bin(), _redis_program(folder)
            yield Servers(
                db_port=stack.enter_context(_postgres(services["postgres"], postgres_bin, folder)),
                redis_port=stack.enter_context(_redis(services["redis"], redis_program, folder)),
                postgres=postgres_bin,
                redis=redis_program,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_bin() -> Path:
    """Return the programs of Debian's newest PostgreSQL, else those that we bring."""
    found = {int(path.name): path / "bin" for path in DEBIAN.glob("[0-9]*") if (path / "bin" / "initdb").exists()}
    new_enough = [major for major in found if major >= OLDEST]
    return found[max(new_enough)] if new_enough else find_postgres() / "bin"


@contextlib.contextmanager
def _postgres(service: Mapping[str, Any], programs: Path, folder: Path) -> Iterator[int]:
    has_contrib = DEBIAN in programs.parents
    port, data, run_as = free_port(), folder / "postgres", _somebody_else()
    data.mkdir()
    if run_as:
        shutil.chown(data, *run_as)
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
    identity: dict[str, Any] = {"user": run_as[0], "group": run_as[1], "extra_groups": []} if run_as else {}
    subprocess.run(initdb, check=True, capture_output=True, cwd="/", **identity)
    hba = "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    (data / "pg_hba.conf").write_text(hba)
    flags = [flag for flag in service["command"][1:] if has_contrib or "pg_stat_statements" not in flag]
    process = Process(
        name="postgres",
        command=(str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(data), *flags),
        env={"LC_ALL": "C", "TZ": "UTC"},
        uid=run_as[0] if run_as else None,
        gid=run_as[1] if run_as else None,
        ready=lambda: _is_up(programs, data, port),
    )
    with standalone.running(process, log=folder / "postgres.log"):
        _initialize(service["environment"], programs, data, port, has_contrib=has_contrib)
        yield port


def _initialize(env: Mapping[str, str], programs: Path, data: Path, port: int, *, has_contrib: bool) -> None:
    """Run the script that the image runs when its data folder is made."""
    script = (CHECKOUT / "deploy" / "postgres" / "init.sh").read_text()
    if not has_contrib:
        script = script.replace("CREATE EXTENSION IF NOT EXISTS pg_stat_statements;", "")
    own = {"PATH": f"{programs}:{os.environ['PATH']}", "PGHOST": str(data), "PGPORT": str(port)}
    variables = {**own, **env, "POSTGRES_USER": "postgres"}
    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _is_up(programs: Path, data: Path, port: int) -> bool:
    command = [str(programs / "pg_isready"), "--quiet", "--host", str(data), "--port", str(port)]
    return subprocess.run(command, check=False).returncode == 0


def _somebody_else() -> tuple[int, int] | None:
    """Return who runs PostgreSQL, which refuses root; None where we are not root."""
    import pwd

    nobody = pwd.getpwnam("nobody")
    return (nobody.pw_uid, nobody.pw_gid) if os.geteuid() == 0 else None


@contextlib.contextmanager
def _redis(service: Mapping[str, Any], program: Path, folder: Path) -> Iterator[int]:
    port, data = free_port(), folder / "redis"
    data.mkdir()
    shell, flag, script = service["command"]
    script = script.replace("exec redis-server", f"exec {program} --port {port} --bind 127.0.0.1", 1)
    password = service["environment"]["REDIS_PASSWORD"]
    libraries = program.parent.parent / "lib"
    process = Process(
        name="redis",
        command=(f"/bin/{shell}", flag, script),
        env={
            **service["environment"],
            "PATH": os.environ["PATH"],
            "TMPDIR": str(folder),
            "REDIS_DIR": str(data),
            "USERS_ACL": str(CHECKOUT / "deploy" / "redis" / "users.acl"),
            "LD_LIBRARY_PATH": str(next(libraries.glob("*-linux-gnu"), "")),
        },
        ready=lambda: _answers(port, password),
    )
    with standalone.running(process, log=folder / "redis.log"):
        yield port


def _answers(port: int, password: str) -> bool:
    try:
        with redis.Redis(port=port, password=password, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _redis_program(folder: Path) -> Path:
    """Return Debian's redis-server: installed, else unpacked from its packages, else the one that we bring."""
    if installed := shutil.which("redis-server"):
        return Path(installed)
    unpacked = folder / "debian"
    try:
        for command in (["apt-get", "download", *REDIS_PACKAGES],):
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=GET_WITHIN_S)
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(unpacked)], check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        return find_redis()
    program = unpacked / "usr" / "bin" / "redis-server"
    return program if program.exists() else find_redis()
