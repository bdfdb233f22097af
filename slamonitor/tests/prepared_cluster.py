"""A PostgreSQL cluster that has our tables already, made once and copied for each process that runs tests.

Making a cluster and migrating it takes seconds; copying it takes a fraction of one.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg

from slamonitor.embedded import standalone
from slamonitor.embedded.postgres import DATABASE, EmbeddedPostgres
from slamonitor.embedded.state_directory import CHECKOUT

TEST_DATABASE = f"test_{DATABASE}"  # as Django names it
# What a schema is made of: a migration may be rewritten before the first release, and reads SQL files and models.
SOURCES = ("*/migrations/*.py", "*/sql/*.sql", "monitoring/models/*.py", "*/models.py", "requirements*.lock")
MADE_BY = ("slamonitor/embedded/postgres.py", "slamonitor/tests/prepared_cluster.py")


def running(cache: Path) -> AbstractContextManager[str]:
    """Run a server on a copy of the cluster and yield its URL; `cache` is a folder that outlives this run."""
    return EmbeddedPostgres.running(copy_of=_cluster(cache))


def _cluster(cache: Path) -> Path:
    """Return the cluster of this state of the sources; processes that start together make it once."""
    cluster = cache / _fingerprint()
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not cluster.exists():
            for former in cache.iterdir():
                if former.is_dir():
                    shutil.rmtree(former)
            _make(cluster)
    return cluster


def _make(cluster: Path) -> None:
    with standalone.state_directory(None) as state:
        server = EmbeddedPostgres(state, durable=False)
        server.prepare()
        with standalone.running(server.process(), log=server.folder / "postgres.log"):
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {TEST_DATABASE}")
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "--verbosity=0"],
                cwd=CHECKOUT,
                env={**os.environ, "DATABASE_URL": server.url.replace(f"/{DATABASE}?", f"/{TEST_DATABASE}?")},
                check=True,
            )
        shutil.copytree(server.data, cluster.with_name("half-made"))
    cluster.with_name("half-made").rename(cluster)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for pattern in (*SOURCES, *MADE_BY):
        for path in sorted(CHECKOUT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
