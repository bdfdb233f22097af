"""An older server of the system and the embedded one: each with its own programs, and with newer ones."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from database.backups import loading, programs, replacing
from database.backups.folder import Folder
from database.backups.problem import BackupError
from database.backups.progress import SILENT
from database.backups.server import Server
from database.backups.taking import take
from database.backups.tests.cast import data_of, fill

pytestmark = pytest.mark.django_db

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
NOBODY = 65534


@pytest.fixture(scope="module")
def older() -> Iterator[Server]:
    """A server of Debian's packages with the schema of this release and some rows."""
    if not FOUND:
        pytest.skip("no PostgreSQL server of the system")
    folder = Path(tempfile.mkdtemp(prefix="slamonitor-", dir="/tmp"))
    identity: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    if identity:
        os.chown(folder, NOBODY, NOBODY)
    data, options = folder / "data", ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
    made = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        [FOUND[0].with_name("initdb"), "-D", data, *made], check=True, cwd="/", stdout=subprocess.DEVNULL, **identity
    )
    server = Server(parameters={"host": str(folder), "port": 5432, "user": "postgres", "dbname": "sla_monitor"})
    command = [FOUND[0], "-D", data, "-c", "fsync=off", *options]
    with subprocess.Popen(command, cwd="/", stderr=subprocess.DEVNULL, **identity) as process:  # type: ignore[arg-type]
        try:
            create(server)
            yield server
        finally:
            process.terminate()
    shutil.rmtree(folder)


def create(server: Server) -> None:
    deadline = time.monotonic() + 30
    while True:
        with suppress(BackupError), server.of("postgres").connect() as connection:
            connection.execute("CREATE DATABASE sla_monitor")
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    env = {**os.environ, "DATABASE_URL": server.url}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, env=env, cwd=django_settings.BASE_DIR, check=True)
    fill(server)


@pytest.mark.parametrize("newest", [False, True])
def test_an_older_server_is_backed_up_and_restored(
    older: Server, folder: Folder, settings: Settings, newest: bool
) -> None:
    if newest:
        settings.PG_BIN = str(max(programs.installed(), key=lambda each: each.version).folder)
    before, taken = data_of(older), take(older, folder)

    with loading.source(taken.path) as found:
        replacing.in_place(older, found, folder, nullcontext, SILENT)

    after = data_of(older)
    assert {name for name in before if before[name] != after[name]} == {"public.change_counters"}


def test_a_dump_of_the_newer_server_is_refused(older: Server, live: Server, folder: Folder) -> None:
    before, taken = data_of(older), take(live, folder)

    with (
        loading.source(taken.path) as found,
        pytest.raises(BackupError, match=r"taken from PostgreSQL \d+, and the server is \d+"),
    ):
        replacing.in_place(older, found, folder, nullcontext, SILENT)
    assert data_of(older) == before


def test_a_dump_of_the_older_server_loads_into_the_newer_one(older: Server, live: Server, folder: Folder) -> None:
    taken = take(older, folder)

    with loading.source(taken.path) as found:
        replacing.in_place(live, found, folder, nullcontext, SILENT)

    rows, expected = data_of(live), data_of(older)
    assert {name for name in expected if rows[name] != expected[name]} == {"public.change_counters"}
