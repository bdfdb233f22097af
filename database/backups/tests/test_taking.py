"""The content of a backup, and the objects that it leaves alone."""

import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from database.backups import container, contents, encryption, nights
from database.backups.folder import Folder
from database.backups.manifest import Kind
from database.backups.problem import BackupError, Busy
from database.backups.progress import SILENT
from database.backups.server import Server
from database.backups.taking import take
from database.backups.tests.cast import CLOSED, OPEN, Interfering, add_checks, data_of

pytestmark = pytest.mark.django_db


def test_a_backup_is_closed_to_others_whatever_the_umask(live: Server, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "deep" / "backups")
    before = os.umask(0)
    try:
        taken = take(live, folder)
    finally:
        os.umask(before)

    assert folder.path.stat().st_mode & 0o777 == folder.raw.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (taken.path, *taken.raw_paths)} == {0o600}


def test_a_backup_is_plain_sql_under_the_promised_name(live: Server, folder: Folder) -> None:
    taken = take(live, folder)

    assert taken.path.name == f"sla_monitor_{taken.manifest.taken_at:%Y%m%d_%H%M%S}.sql.gz"
    assert taken.path.stat().st_mode & 0o777 == 0o600
    sql = gzip.decompress(taken.path.read_bytes()).decode()
    assert sql.startswith("-- Backup of SLA Monitor. Restore it with: manage.py restore FILE\n-- {")
    assert "CREATE TABLE public.services" in sql and "COPY public.change_counters" in sql
    assert "\\restrict" not in sql.partition("COPY")[0], "psql's own commands stay out of the file"


def test_closed_days_lie_in_files_of_their_own_and_are_written_once(live: Server, folder: Folder) -> None:
    first = take(live, folder)
    written = {path: path.stat().st_mtime_ns for path in first.raw_paths}

    second = take(live, folder)

    assert [path.name.rsplit("_", 2)[0] for path in first.raw_paths] == [
        f"watch_server_logs_{day:%Y%m%d}_50" for day in CLOSED
    ]
    assert f"public.watch_server_logs_{OPEN:%Y%m%d}" in first.manifest.tables
    assert {path: path.stat().st_mtime_ns for path in second.raw_paths} == written


def test_a_closed_day_with_late_rows_is_written_again_next_to_the_old_one(live: Server, folder: Folder) -> None:
    first = take(live, folder)
    add_checks(live, CLOSED[1], 1, "late")

    second = take(live, folder)

    assert len({*first.raw_paths, *second.raw_paths}) == 3
    assert all(path.exists() for path in first.raw_paths), "the older backup still needs it"


def test_a_lost_index_costs_a_look_and_no_second_file(live: Server, folder: Folder) -> None:
    first = take(live, folder)
    (folder.raw / "index.json").write_text("not json")

    assert take(live, folder).raw_paths == first.raw_paths


def test_counts_and_checksums_are_those_of_one_moment(live: Server, folder: Folder) -> None:
    def change() -> None:
        with live.connect() as connection:
            connection.execute("INSERT INTO change_counters VALUES ('later', 1)")

    before = data_of(live)
    taken = take(live, folder, progress=Interfering("rows", change))

    assert taken.manifest.tables == {name: before[name] for name in taken.manifest.tables}
    assert b"later\t" not in gzip.decompress(taken.path.read_bytes())


def test_a_checksum_knows_content_and_not_order(live: Server) -> None:
    with live.connect() as connection:
        before = contents.content(connection, "public.change_counters")
        connection.execute("UPDATE change_counters SET value = value + 0")
        assert contents.content(connection, "public.change_counters") == before
        connection.execute("UPDATE change_counters SET value = value + 1 WHERE topic = 'page'")
        after = contents.content(connection, "public.change_counters")

    assert after.rows == before.rows and after.checksum != before.checksum


@pytest.mark.parametrize(
    ("kind", "names", "has", "has_not"),
    [
        (Kind.SCHEMA, [], ["CREATE TABLE public.services"], ["COPY "]),
        (Kind.WITHOUT_RAW, [], ["COPY public.change_counters"], ["COPY public.watch_server_logs"]),
        (Kind.TABLES, ["incident", "change_counters"], ["COPY public.incident "], ["public.services", "FOREIGN KEY"]),
        (Kind.TABLES, ["watch_server_logs"], [f"COPY public.watch_server_logs_{OPEN:%Y%m%d}"], ["incident"]),
    ],
)
def test_parts_of_a_database(live: Server, folder: Folder, kind: Any, names: Any, has: Any, has_not: Any) -> None:
    taken = take(live, folder, kind, names)

    sql = "".join(part.decode() for parts in container.parts(taken.path) for part in [b"".join(parts)])
    assert [words for words in has if words not in sql] == []
    assert [words for words in has_not if words in sql] == []
    assert taken.raw_paths == []


def test_a_table_that_is_none_is_named(live: Server, folder: Folder) -> None:
    with pytest.raises(BackupError, match=r"There is no table servcies\. Nothing was written"):
        take(live, folder, Kind.TABLES, ["servcies"])
    assert folder.backups() == []


def test_two_backups_at_once_are_refused(live: Server, folder: Folder) -> None:
    with live.reserved(), pytest.raises(Busy, match="Another backup or restore"):
        take(live, folder)
    assert folder.backups() == []


def test_partitions_come_and_go_while_rows_are_read(live: Server, folder: Folder) -> None:
    def drop_a_day() -> None:
        with live.connect() as connection:
            connection.execute("SET lock_timeout = '1s'")
            connection.execute("CREATE TABLE fresh (LIKE watch_server_logs INCLUDING ALL)")
            connection.execute(
                "ALTER TABLE watch_server_logs ATTACH PARTITION fresh FOR VALUES FROM ('2001-01-01') TO ('2001-01-02')"
            )
            closed = f"watch_server_logs_{CLOSED[1]:%Y%m%d}"
            connection.execute(f"ALTER TABLE watch_server_logs DETACH PARTITION {closed} CONCURRENTLY".encode())
            connection.execute(f"DROP TABLE {closed}".encode())

    taken = take(live, folder, progress=Interfering("rows", drop_a_day))

    assert len(taken.raw_paths) == 2


def test_leftovers_of_a_killed_backup_are_swept_up(live: Server, folder: Folder) -> None:
    folder.path.mkdir()
    (folder.path / ".sla_monitor_20250101_020000.sql.gz.part").write_bytes(b"half")

    take(live, folder)

    assert list(folder.path.glob(".*")) == []


def test_what_somebody_uses_is_no_leftover(live: Server, folder: Folder) -> None:
    with encryption.clear_file(folder.path) as clear, container.written(folder.raw / "fetched") as fetched:
        clear.write(b"decrypted")
        fetched.write(b"half")
        take(live, folder)

        assert Path(clear.name).exists()

    assert (folder.raw / "fetched").read_bytes() == b"half"


def test_two_that_write_the_same_file_at_once_do_not_mix(folder: Folder) -> None:
    path = folder.path / "index.json"

    with container.written(path) as one:
        one.write(b"one")
        with container.written(path) as other:
            other.write(b"the other")
        one.write(b" and all of it")

    assert path.read_bytes() == b"one and all of it"
    assert [each.name for each in folder.path.iterdir()] == ["index.json"]


def test_old_backups_are_not_deleted_under_the_hands_of_another_backup(live: Server, folder: Folder) -> None:
    def delete() -> None:
        assert nights.delete_old(live, folder, SILENT, kept_days=30) == []

    taken = take(live, folder, progress=Interfering(f"watch_server_logs_{CLOSED[1]:%Y%m%d}", delete))

    assert [path.exists() for path in taken.raw_paths] == [True, True]


def test_old_backups_go_and_closed_days_with_the_last_that_names_them(live: Server, folder: Folder) -> None:
    old = take(live, folder)
    add_checks(live, CLOSED[1], 1, "late")
    new = take(live, folder)
    renamed = folder.path / "sla_monitor_20250101_020000.sql.gz"
    old.path.rename(renamed)

    now = datetime.now(UTC)
    deleted = folder.delete_old(now, kept_days=30)

    (replaced,) = set(old.raw_paths) - set(new.raw_paths)
    assert deleted == [renamed, replaced]
    assert folder.delete_old(now + timedelta(days=365), kept_days=30) == [], "the newest one always stays"
    assert all(path.exists() for path in new.raw_paths)


def test_the_manifest_is_readable_without_us(live: Server, folder: Folder) -> None:
    lines = gzip.decompress(take(live, folder).path.read_bytes()).split(b"\n")

    manifest = json.loads(lines[1].removeprefix(b"-- "))
    assert manifest["kind"] == "whole" and manifest["tables"]["public.change_counters"]["rows"] == 4
