"""Restoring in place, into another database and as a proof: the data before and after."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pytest_django import Settings

from database.backups import contents, loading, nights, programs, replacing
from database.backups.contents import Table
from database.backups.folder import Folder, Index, Written
from database.backups.manifest import Content, Kind
from database.backups.problem import BackupError
from database.backups.progress import SILENT
from database.backups.server import Server, scalar
from database.backups.taking import Taken, take
from database.backups.tests.cast import CLOSED, OPEN, Interfering, add_checks, data_of, databases

pytestmark = pytest.mark.django_db


def restore(live: Server, path: Path, folder: Folder, stop_engine: Any = nullcontext, choose: Any = None) -> Taken:
    with loading.source(path, choose) as found:
        return replacing.in_place(live, found, folder, stop_engine, SILENT)


def change(live: Server) -> None:
    with live.connect() as connection:
        connection.execute("DELETE FROM change_counters WHERE topic <> 'page'")
        connection.execute("UPDATE change_counters SET value = 90 WHERE topic = 'page'")
    add_checks(live, CLOSED[1], 10, "later")


def without_counters(server: Server) -> dict[str, Content]:
    return {name: content for name, content in data_of(server).items() if "change_counters" not in name}


def test_a_restore_brings_every_row_back(live: Server, folder: Folder) -> None:
    before, taken = without_counters(live), take(live, folder)
    change(live)

    restore(live, taken.path, folder)

    assert without_counters(live) == before
    assert databases(live) == {live.database}


def test_change_counters_never_go_back(live: Server, folder: Folder) -> None:
    taken = take(live, folder)
    change(live)

    restore(live, taken.path, folder)

    with live.connect() as connection:
        value = scalar(connection, "SELECT value FROM change_counters WHERE topic = 'page'")
    assert value > 90


def test_the_safety_dump_undoes_a_restore(live: Server, folder: Folder) -> None:
    taken = take(live, folder)
    change(live)
    changed = without_counters(live)

    safety = restore(live, taken.path, folder)
    restore(live, safety.path, folder)

    assert without_counters(live) == changed


def test_what_was_written_until_the_engine_stopped_is_in_the_safety_dump(live: Server, folder: Folder) -> None:
    taken = take(live, folder)

    def stop_engine() -> nullcontext[None]:
        add_checks(live, OPEN, 1, "last")
        return nullcontext()

    safety = restore(live, taken.path, folder, stop_engine)

    assert safety.manifest.tables[f"public.watch_server_logs_{OPEN:%Y%m%d}"].rows == 51


def test_nobody_writes_between_the_safety_dump_and_the_change(live: Server, folder: Folder) -> None:
    taken = take(live, folder)
    writer = psycopg.connect(**live.parameters, autocommit=True)
    writer.execute("SELECT 1")

    restore(live, taken.path, folder)

    with pytest.raises(psycopg.OperationalError):
        writer.execute("INSERT INTO change_counters VALUES ('too late', 1)")


def test_who_waits_to_write_during_the_safety_dump_is_not_told_that_it_was_written(
    live: Server, folder: Folder
) -> None:
    taken = take(live, folder)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(**live.parameters, autocommit=True) as writer:
        written: list[Future[Any]] = []

        def write() -> None:
            if not written:
                written.append(pool.submit(writer.execute, "INSERT INTO change_counters VALUES ('too late', 1)"))
                wait_until_it_waits(live, writer.info.backend_pid)

        with loading.source(taken.path) as found:
            replacing.in_place(live, found, folder, nullcontext, Interfering("rows", write))

        with pytest.raises(psycopg.OperationalError):
            written[0].result(10)


def wait_until_it_waits(live: Server, pid: int) -> None:
    deadline = time.monotonic() + 20
    with live.administration() as connection:
        while connection.execute("SELECT FROM pg_locks WHERE pid = %s AND NOT granted", [pid]).fetchone() is None:
            assert time.monotonic() < deadline, "nobody kept the writer waiting"


def test_a_restore_into_another_database_leaves_the_live_data_alone(live: Server, folder: Folder) -> None:
    before, taken = data_of(live), take(live, folder)
    other = f"{live.database}_replaced"  # is dropped after the test

    with loading.source(taken.path) as found:
        replacing.into_new_database(live, found, other, SILENT)
        assert data_of(live.of(other)) == data_of(live) == before
        with pytest.raises(BackupError, match=f"There is a database {other} already"):
            replacing.into_new_database(live, found, other, SILENT)


def test_a_proof_leaves_nothing_behind(live: Server, folder: Folder) -> None:
    taken = take(live, folder)

    with loading.source(taken.path) as found:
        replacing.prove(live, found, SILENT)

    assert databases(live) == {live.database}


def test_a_proof_forgets_no_backup_that_was_noted_meanwhile(live: Server, folder: Folder) -> None:
    taken = take(live, folder)

    def note_another() -> None:
        index, another = folder.index(), Written(kind=Kind.SCHEMA, raw_files=[])
        folder.remember(Index(days=index.days, backups={**index.backups, "another": another}))

    nights.prove(live, folder, taken.path, Interfering("loading", note_another))

    index = folder.index()
    assert set(index.backups) == {taken.path.name, "another"}
    assert index.days and all(day.proven_at for day in index.days.values())


def test_tables_are_replaced_and_the_others_stay(live: Server, folder: Folder) -> None:
    taken = take(live, folder, Kind.TABLES, ["change_counters"])
    change(live)
    checks = without_counters(live)

    restore(live, taken.path, folder)

    assert without_counters(live) == checks
    assert data_of(live)["public.change_counters"].rows == 4


@pytest.mark.parametrize("kind", list(Kind)[:4])
def test_every_kind_of_backup_restores_into_another_database(live: Server, folder: Folder, kind: Kind) -> None:
    names = [table.plain_name for table in tables_of(live)] if kind is Kind.TABLES else []
    taken = take(live, folder, kind, names)
    other = live.of(f"{live.database}_replaced")  # is dropped after the test

    with loading.source(taken.path) as found:
        replacing.into_new_database(live, found, other.database, SILENT)

    assert {table.name for table in tables_of(other)} == {table.name for table in tables_of(live)}


def test_a_table_with_a_trigger_is_backed_up_and_replaced(live: Server, folder: Folder) -> None:
    before = data_of(live)["public.services"]
    taken = take(live, folder, Kind.TABLES, ["services", "incident"])

    restore(live, taken.path, folder)

    assert data_of(live)["public.services"] == before


def tables_of(server: Server) -> list[Table]:
    with server.connect() as connection:
        return contents.tables(connection)


def test_rows_added_after_a_table_was_restored_get_new_ids(live: Server, folder: Folder) -> None:
    add = "INSERT INTO auth_group (name) VALUES (%s) RETURNING id"
    with live.connect() as connection:
        connection.execute(add, ["first"])
        connection.execute(add, ["second"])
        taken = take(live, folder, Kind.TABLES, ["auth_group"])
        connection.execute("DELETE FROM auth_group")

    restore(live, taken.path, folder)

    with live.connect() as connection:
        assert connection.execute("SELECT name FROM auth_group ORDER BY id").fetchall() == [("first",), ("second",)]
        connection.execute(add, ["third"])


def test_tables_that_the_live_database_does_not_have_are_named(live: Server, folder: Folder) -> None:
    with live.connect() as connection:
        connection.execute("CREATE TABLE of_the_past AS SELECT 1 AS n")
        taken = take(live, folder, Kind.TABLES, ["of_the_past"])
        connection.execute("DROP TABLE of_the_past")
    before = data_of(live)

    with pytest.raises(BackupError, match=r"no table public\.of_the_past\. Nothing was changed"):
        restore(live, taken.path, folder)
    assert data_of(live) == before


def test_closed_days_may_be_left_out(live: Server, folder: Folder) -> None:
    taken = take(live, folder)
    for path in taken.raw_paths:
        path.unlink()

    with pytest.raises(BackupError, match=r"needs .*raw/watch_server_logs_.*not there.*--without-raw"):
        restore(live, taken.path, folder)
    restore(live, taken.path, folder, choose=lambda _: [])

    assert data_of(live)[f"public.watch_server_logs_{CLOSED[1]:%Y%m%d}"].rows == 0
    assert data_of(live)[f"public.watch_server_logs_{OPEN:%Y%m%d}"].rows == 50


def test_an_older_schema_is_brought_up_to_date(live: Server, folder: Folder) -> None:
    with live.connect() as connection:
        connection.execute("DROP TABLE backup_reports")
        connection.execute("DELETE FROM django_migrations WHERE app = 'database' AND name LIKE '0003%'")
    taken = take(live, folder)

    restore(live, taken.path, folder)

    assert "public.backup_reports" in data_of(live)


def test_a_schema_alone_does_not_take_the_place_of_data(live: Server, folder: Folder) -> None:
    taken = take(live, folder, Kind.SCHEMA)

    with pytest.raises(BackupError, match=r"schema and no data.*--into"):
        restore(live, taken.path, folder)


def test_the_oldest_programs_that_fit_are_chosen() -> None:
    found = programs.installed()

    assert programs.programs_for(18).version[0] == 18
    assert programs.programs_for(15).version == min(each.version for each in found if each.version[0] >= 15)


def test_programs_older_than_the_server_are_named_with_a_remedy(tmp_path: Path, settings: Settings) -> None:
    settings.PG_BIN = str(tmp_path)
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.18'\n")
    (tmp_path / "pg_dump").chmod(0o755)

    with pytest.raises(BackupError, match=r"PostgreSQL 18 and needs.*found: 15\.18 in .*postgresql-client-18.*PG_BIN"):
        programs.programs_for(18)
    with pytest.raises(BackupError, match="14; 15 or newer is needed"):
        programs.programs_for(14)
