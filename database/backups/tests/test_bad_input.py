"""Damage, strangers, full disks and dying servers: each ends in a clear error, and the data are as before."""

import gzip
import os
import random
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from database.backups import container, loading, manifest, replacing
from database.backups.container import Writer
from database.backups.folder import Folder
from database.backups.problem import BackupError
from database.backups.progress import SILENT, Progress
from database.backups.server import Server, scalar
from database.backups.taking import take
from database.backups.tests.cast import Interfering, data_of, databases

pytestmark = pytest.mark.django_db

CHANCE = random.Random(20)
SAID = r"damaged|cut off|cannot be used|cannot be read"


def restore(live: Server, path: Path, folder: Folder, progress: Progress = SILENT) -> None:
    with loading.source(path) as found:
        replacing.in_place(live, found, folder, nullcontext, progress)


@pytest.fixture(scope="module")
def whole(template: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that is as it should be, with its closed days."""
    return take(template, Folder(tmp_path_factory.mktemp("whole"))).path


@contextmanager
def untouched(live: Server) -> Iterator[None]:
    before = data_of(live)
    yield
    assert data_of(live) == before
    assert databases(live) == {live.database}


def damaged(whole: Path, folder: Folder, content: bytes) -> Path:
    folder.path.mkdir(exist_ok=True)
    path = folder.path / whole.name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("part", [CHANCE.random() for _ in range(20)])
def test_a_backup_cut_anywhere_is_refused(live: Server, whole: Path, folder: Folder, part: float) -> None:
    content = whole.read_bytes()
    path = damaged(whole, folder, content[: int(part * len(content))])

    with untouched(live), pytest.raises(BackupError, match=SAID):
        restore(live, path, folder)


def test_any_flipped_bit_is_noticed(whole: Path, folder: Folder) -> None:
    content = whole.read_bytes()
    ends = [*range(12), *range(len(content) - 12, len(content))]  # where gzip's own checksum does not reach
    for place in [*ends, *(CHANCE.randrange(len(content)) for _ in range(200))]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << CHANCE.randrange(8)

        with pytest.raises(BackupError, match=SAID):
            container.check(damaged(whole, folder, bytes(flipped)))


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc/elsewhere", "..", "a/b", ".part", "", None])
def test_a_doctored_head_leads_nowhere_but_to_the_folder_of_closed_days(whole: Path, name: str | None) -> None:
    day = replace(container.head(whole).raw_files[0], file=name)  # type: ignore[arg-type]  # as a doctored head may say
    head = replace(container.head(whole), raw_files=[day]).head()

    with pytest.raises(BackupError, match="first lines are damaged"):
        manifest.read(head)


def test_a_flipped_bit_is_refused_before_anything_is_touched(live: Server, whole: Path, folder: Folder) -> None:
    content = bytearray(whole.read_bytes())
    content[len(content) // 2] ^= 1

    with untouched(live), pytest.raises(BackupError, match=r"damaged.*Nothing was changed"):
        restore(live, damaged(whole, folder, bytes(content)), folder)


OTHER_DUMP = b"--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE public.blog (id bigint);\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not compressed with gzip"),
        (b"PGDMP\x01\x0f", "not compressed with gzip"),
        (gzip.compress(b"a letter to my aunt", mtime=0), "not a backup of this monitor"),
        (gzip.compress(OTHER_DUMP, mtime=0), "not a backup of this monitor"),
        (gzip.compress(b"\0" * 10_000_000, mtime=0), "not a backup of this monitor"),
        (gzip.compress(manifest.FIRST_WORDS + b"\n-- {}\n", mtime=0), "first lines are damaged"),
        (gzip.compress(manifest.FIRST_WORDS + b'\n-- {"format": 99}\n', mtime=0), "written by a newer release"),
    ],
)
def test_what_is_not_ours_is_refused(live: Server, whole: Path, folder: Folder, content: bytes, words: str) -> None:
    with untouched(live), pytest.raises(BackupError, match=f"{words}.*Nothing was changed"):
        restore(live, damaged(whole, folder, content), folder)


def test_a_file_that_is_not_there_and_a_folder_are_refused(folder: Folder) -> None:
    folder.path.mkdir()
    for path in (folder.path / "nothing.sql.gz", folder.path):
        with pytest.raises(BackupError, match="cannot be read"), loading.source(path):
            pass


def rewritten(whole: Path, folder: Folder, sql: bytes = b"", **changes: Any) -> Path:
    """Write a backup again with another manifest, properly sealed and signed."""
    folder.path.mkdir(exist_ok=True)
    path = folder.path / whole.name
    with path.open("wb") as file:
        writer = Writer(file)
        writer.member([replace(container.head(whole), raw_files=(), **changes).head()])
        for part in container.parts(whole):
            writer.member(part)
        writer.member([sql])
        writer.seal()
    return path


def test_a_newer_schema_is_refused(live: Server, whole: Path, folder: Folder) -> None:
    path = rewritten(whole, folder, migrations=["monitoring.0001_initial", "monitoring.9999_teleport"])

    with untouched(live), pytest.raises(BackupError, match=r"newer release.*9999_teleport.*Update this"):
        restore(live, path, folder)


def test_a_dump_of_a_newer_server_is_refused(live: Server, whole: Path, folder: Folder) -> None:
    path = rewritten(whole, folder, server_major=99)

    with (
        untouched(live),
        pytest.raises(BackupError, match=r"PostgreSQL 99, and the server is \d+"),
    ):
        restore(live, path, folder)


def test_rows_that_are_not_those_that_were_read_are_noticed(live: Server, whole: Path, folder: Folder) -> None:
    rows = b"COPY public.change_counters (topic, value) FROM stdin;\none more\t1\n\\.\n"
    path = rewritten(whole, folder, sql=rows)

    with untouched(live), pytest.raises(BackupError, match=r"change_counters has 5 rows instead of 4"):
        restore(live, path, folder)


def test_a_damaged_closed_day_is_refused_with_a_remedy(live: Server, folder: Folder) -> None:
    taken = take(live, folder)
    content = bytearray(taken.raw_paths[0].read_bytes())
    content[-100] ^= 1
    taken.raw_paths[0].write_bytes(content)

    with (
        untouched(live),
        pytest.raises(BackupError, match=r"damaged.*the next backup writes it again"),
    ):
        restore(live, taken.path, folder)


def test_a_disk_that_fills_during_a_backup_leaves_nothing(live: Server, folder: Folder) -> None:
    with (
        files_up_to(10_000),
        pytest.raises(BackupError, match=r"File too large.*The partial file was deleted"),
    ):
        take(live, folder)

    assert folder.backups() == [] and list(folder.path.glob(".*")) == []


def test_a_disk_that_fills_during_the_safety_dump_leaves_the_old_data(
    live: Server, whole: Path, folder: Folder
) -> None:
    with untouched(live), files_up_to(10_000), pytest.raises(BackupError, match="cannot be written"):
        restore(live, whole, folder)


@contextmanager
def files_up_to(count: int) -> Iterator[None]:
    """Limit the size of files of this process; writing more fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


LARGER_THAN_WAL = 17 << 20  # bytes; the server must be able to write its own files


def test_a_disk_that_fills_during_a_restore_leaves_the_old_data(
    live: Server, folder: Folder, tmp_path: Path, postgres_at: Any
) -> None:
    with live.connect() as connection:
        connection.execute("CREATE TABLE large AS SELECT repeat(md5(n::text), 30) FROM generate_series(1, 20000) n")
    taken = take(live, folder)
    tmp_path.chmod(0o755)

    with files_up_to(LARGER_THAN_WAL), postgres_at(tmp_path / "state") as url:
        small = server_of(url)
        with small.connect() as connection:
            connection.execute("CREATE TABLE change_counters (topic text PRIMARY KEY, value bigint)")
        with (
            untouched(small),
            pytest.raises(BackupError, match=r"not be loaded: could not .*not changed"),
        ):
            restore(small, taken.path, folder)


def server_process(live: Server) -> int:
    """Return the process that makes new sessions; they inherit its limits."""
    with live.connect() as connection:
        backend = scalar(connection, "SELECT pg_backend_pid()")
        return int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])


def test_sessions_ended_in_the_middle_of_a_backup_leave_nothing(live: Server, folder: Folder) -> None:
    def end_sessions() -> None:
        with live.administration() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [live.database]
            )

    with pytest.raises(BackupError, match=r"data was not changed"):
        take(live, folder, progress=Interfering("rows", end_sessions))
    assert folder.backups() == [] and list(folder.path.glob(".*")) == []


def test_a_server_killed_in_the_middle_of_a_restore_comes_back_with_the_old_data(
    whole: Path, tmp_path: Path, postgres_at: Any
) -> None:
    tmp_path.chmod(0o755)
    with postgres_at(tmp_path / "state", durable=True) as url:
        live = server_of(url)
        with live.connect() as connection:
            connection.execute("CREATE TABLE change_counters (topic text PRIMARY KEY, value bigint)")
            connection.execute("INSERT INTO change_counters VALUES ('page', 1)")
        before = data_of(live)

        def kill() -> None:
            os.kill(server_process(live), signal.SIGKILL)

        with pytest.raises(BackupError, match=r"could not be loaded|cannot be reached"):
            restore(live, whole, Folder(whole.parent), Interfering("loading", kill))

    with postgres_at(tmp_path / "state", durable=True) as url:
        assert data_of(server_of(url)) == before


def server_of(url: str) -> Server:
    return Server(parameters=conninfo_to_dict(url))
