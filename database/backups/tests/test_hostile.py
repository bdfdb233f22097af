"""Altered files: their statements are refused before they run, and statements that run reach nothing."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from database.backups import confinement, container, loading, nights, replacing, signing, statements
from database.backups.container import UNSIGNED_SEAL, Writer
from database.backups.folder import Folder
from database.backups.manifest import Content, Kind
from database.backups.problem import BackupError, Foreign
from database.backups.progress import SILENT
from database.backups.server import Server
from database.backups.taking import take
from database.backups.tests.cast import data_of, databases

pytestmark = pytest.mark.django_db

ATTACKS = [
    "COMMIT; DROP DATABASE {live}; BEGIN;",
    "ROLLBACK;",
    "END;",
    "BEGIN;",
    "START TRANSACTION;",
    "SAVEPOINT a;",
    "DROP DATABASE {live} WITH (FORCE);",
    "ALTER DATABASE {live} RENAME TO gone;",
    "CREATE DATABASE more;",
    "DROP TABLE public.services;",
    "DROP OWNED BY CURRENT_USER;",
    "TRUNCATE public.services;",
    "DELETE FROM public.services;",
    "INSERT INTO public.services DEFAULT VALUES;",
    "UPDATE public.services SET name = 'x';",
    "CREATE ROLE more SUPERUSER;",
    "ALTER ROLE CURRENT_USER PASSWORD 'x';",
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;",
    "REASSIGN OWNED BY CURRENT_USER TO postgres;",
    "ALTER SYSTEM SET archive_command = 'id';",
    "SET ROLE postgres;",
    "RESET ROLE;",
    "SET SESSION AUTHORIZATION DEFAULT;",
    "SET session_replication_role = replica;",
    "SET search_path = public;",
    "SELECT pg_catalog.set_config('role', 'sla_monitor', false);",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity;",
    "COPY public.services FROM PROGRAM 'touch {file}';",
    "COPY public.services (id) FROM '/etc/passwd';",
    "COPY public.services TO PROGRAM 'touch {file}';",
    "COPY (SELECT 1) TO '{file}';",
    "DO $$BEGIN PERFORM 1; END$$;",
    "CALL anything();",
    "CREATE EXTENSION dblink;",
    "CREATE EXTENSION IF NOT EXISTS plpython3u;",
    "CREATE LANGUAGE plpython3u;",
    "CREATE FUNCTION public.f() RETURNS trigger\n    LANGUAGE plpgsql\n    AS $$BEGIN EXECUTE 'DROP'; END$$;",
    "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpython3u AS $$import os$$;",
    "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$SELECT 1$$;",
    "CREATE PROCEDURE public.p() LANGUAGE sql BEGIN ATOMIC DELETE FROM public.services; END;",
    "CREATE RULE r AS ON SELECT TO public.services DO INSTEAD SELECT 1;",
    "CREATE POLICY p ON public.services;",
    "CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION f();",
    "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw;",
    "CREATE SUBSCRIPTION s CONNECTION 'dbname={live}' PUBLICATION p;",
    "CREATE TABLESPACE t LOCATION '/tmp';",
    "LOAD '/tmp/evil.so';",
    "PREPARE p AS SELECT 1; EXECUTE p;",
    "LISTEN a;",
    "LOCK TABLE public.services;",
    "ALTER TABLE public.services OWNER TO postgres;",
    "ALTER TABLE public.services DISABLE TRIGGER ALL;",
    "WITH gone AS (DELETE FROM public.services RETURNING 1) SELECT 1;",
    "/* ; */ DROP TABLE public.services;",
    "-- a comment\n  drop table public.services;",
    "\\! touch {file}",
    "\\connect {live}",
    "\\copy public.services from program 'touch {file}'",
    "\\o {file}",
    "\\i {file}",
    "\\gexec",
    "SELECT 'DROP DATABASE {live}' \\gexec",
    "SET row_security = off \\; DROP TABLE public.services;",
    "SELECT :HOST;",
    "nonsense",
    "SELECT 'an open quote;",
    "COPY public.change_counters (topic, value) FROM stdin;\nwithout\t1\n",
]


def doctored(
    whole: Path, folder: Folder, sql: str = "", *, seal: Callable[[Writer], None] = Writer.seal, **changes: Any
) -> Path:
    """Write a backup again with more SQL at its end and another manifest, sealed with our own key or another way."""
    folder.path.mkdir(exist_ok=True)
    shutil.copytree(whole.parent / "raw", folder.raw, dirs_exist_ok=True)
    path = folder.path / whole.name
    with path.open("wb") as file:
        writer = Writer(file)
        writer.member([replace(container.head(whole), **changes).head()])
        for part in container.parts(whole):
            writer.member(part)
        writer.member([sql.encode()])
        seal(writer)
    return path


@pytest.fixture(scope="module")
def whole(template: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return take(template, Folder(tmp_path_factory.mktemp("whole"))).path


def restored_next_to(live: Server, path: Path, *, foreign: bool = False) -> Server:
    other = live.of(f"{live.database}_replaced")  # is dropped after the test
    with loading.source(path, foreign=foreign) as found:
        replacing.into_new_database(live, found, other.database, SILENT)
    return other


def test_statements_that_our_backups_never_hold_are_refused_before_any_runs(
    live: Server, whole: Path, folder: Folder, tmp_path: Path
) -> None:
    before = data_of(live)
    for attack in ATTACKS:
        sql = attack.format(live=live.database, file=tmp_path / "owned")
        path = doctored(whole, folder, f"\nSET row_security = off;\n{sql}\n")
        for foreign in (False, True):
            with pytest.raises(BackupError, match=r"line|no end") as raised:  # noqa: PT012
                restored_next_to(live, path, foreign=foreign)
                pytest.fail(f"{sql} ran")
            assert "None of it was run" in str(raised.value), sql

    assert data_of(live) == before and databases(live) == {live.database}
    assert not (tmp_path / "owned").exists()


def test_a_refusal_names_the_line_and_the_statement(live: Server, whole: Path, folder: Folder) -> None:
    text = b"".join(chain.from_iterable(container.texts(whole)))
    path = doctored(whole, folder, "\n-- so far so good\nDROP DATABASE a\n;\n")

    line = text.count(b"\n") + 3
    words = f"line {line} of its SQL is not part of any backup of ours: 'DROP DATABASE a'"
    with pytest.raises(BackupError, match=words):
        nights.prove(live, folder, path, SILENT)


def test_the_same_holds_for_closed_days(live: Server, whole: Path, folder: Folder) -> None:
    path = doctored(whole, folder)
    day = folder.raw / container.head(whole).raw_files[0].file
    parts = [[b"".join(part)] for part in container.texts(day)]
    with day.open("wb") as file:
        writer = Writer(file)
        for part in [*parts, [b"COMMIT; DROP DATABASE postgres;"]]:
            writer.member(part)
        writer.seal()

    with pytest.raises(BackupError, match=rf"{day.name} was not made .* 'COMMIT;'"):
        restored_next_to(live, path)


def test_rows_may_say_what_they_like(live: Server, folder: Folder) -> None:
    with live.connect() as connection:
        for number, attack in enumerate(ATTACKS):
            connection.execute("INSERT INTO change_counters VALUES (%s, %s)", [f"\n{attack}\n", number])
    taken = take(live, folder)

    assert data_of(restored_next_to(live, taken.path)) == data_of(live)


@given(
    rows=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
    size=st.integers(1, 40),
)
def test_however_it_is_cut_rows_are_rows_and_statements_are_statements(rows: list[str], size: int) -> None:
    escaped = [row.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r") + "\n" for row in rows]
    data = "".join(escaped).encode()
    copy = b'COPY public.a (b, "C""d") FROM stdin;'
    sql = b"SET row_security = off;\n" + copy + b"\n" + data + b"\\.\n\n-- end; of it\n" + b"SET row_security = off;\n"

    read = statements.statements((sql[at : at + size] for at in range(0, len(sql), size)), Path("f"))

    found = [(each.text, each.line, b"".join(each.rows)) for each in read]
    assert found == [
        (b"SET row_security = off;", 1, b""),
        (copy, 2, data),
        (b"SET row_security = off;", len(rows) + 6, b""),
    ]


def with_check(code: str) -> str:
    """Return what the grammar lets pass and what runs code for each row."""
    return f"CREATE TABLE public.evil (a integer, CHECK ({code}));\nCOPY public.evil (a) FROM stdin;\n1\n\\.\n"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("pg_catalog.pg_terminate_backend({pid})", "permission denied to terminate process"),
        ("pg_catalog.pg_read_file('/etc/passwd') <> ''", "permission denied for function pg_read_file"),
        ("pg_catalog.lo_export(1, '{file}') > 0", "permission denied for function lo_export"),
        ("pg_catalog.set_config('role', '{user}', false) <> ''", "permission denied to set role"),
        ("pg_catalog.query_to_xml('DROP DATABASE {live}', true, true, '') IS NULL", "DROP DATABASE is not allowed"),
    ],
)
def test_code_in_a_constraint_reaches_nothing(
    live: Server, whole: Path, folder: Folder, tmp_path: Path, code: str, words: str
) -> None:
    with psycopg.connect(**live.parameters) as living:
        user = live.parameters["user"]
        names = {"pid": living.info.backend_pid, "live": live.database, "user": user, "file": tmp_path / "owned"}
        path = doctored(whole, folder, with_check(code.format(**names)))

        with pytest.raises(BackupError, match=f"not be loaded: {words}"):
            restored_next_to(live, path)
        living.execute("SELECT 1")

    assert databases(live) == {live.database} and roles(live) == set()


def roles(server: Server) -> set[str]:
    with server.administration() as connection:
        rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", [f"{server.database}%"])
        return {name for (name,) in rows.fetchall()}


@pytest.mark.parametrize(
    "attack",
    [
        "DROP DATABASE {live}",
        "ALTER DATABASE {live} RENAME TO gone",
        "CREATE DATABASE more",
        "CREATE ROLE more",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "SET ROLE {user}",
        "SET SESSION AUTHORIZATION {user}",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "GRANT {user} TO CURRENT_USER",
        "CREATE EXTENSION dblink",
    ],
)
def test_the_role_that_loads_owns_its_database_and_nothing_else(live: Server, attack: str) -> None:
    with loading.fresh_database(live, f"{live.database}_replaced") as fresh:
        with (
            confinement.confined(fresh, SILENT, is_required=True) as guest,
            guest.connect() as connection,
        ):
            with pytest.raises(psycopg.errors.Error, match=r"permission|owner|must be|not available|no extension"):
                connection.execute(attack.format(live=live.database, user=live.parameters["user"]).encode())
            with pytest.raises(BackupError, match="too many connections for role"):
                guest.of(live.database).connect()
        assert roles(live) == set()


def test_what_was_restored_is_ours(live: Server, whole: Path, folder: Folder) -> None:
    other = restored_next_to(live, whole)

    query = (
        "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " UNION SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " UNION SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    )
    with other.connect() as connection:
        assert connection.execute(query).fetchall() == [(live.parameters["user"],)]
    assert roles(live) == set()


def test_what_a_killed_restore_left_of_its_role_goes_with_the_next_one(live: Server, whole: Path) -> None:
    killed = replacing.RESTORING.format(live.database)
    loading.create(live, killed)
    left = confinement.confined(live.of(killed), SILENT, is_required=True)
    left.__enter__()
    assert roles(live) == {f"{killed}_loader"}

    with loading.source(whole) as found:
        replacing.prove(live, found, SILENT)

    assert roles(live) == set() and databases(live) == {live.database}


@pytest.fixture
def without_roles(live: Server) -> Iterator[Server]:
    """Our role may make no roles, as on a server that was set up for an earlier release."""
    who = {"host": live.parameters["host"], "port": live.parameters.get("port"), "user": "postgres"}
    with psycopg.connect(**who, dbname="postgres", autocommit=True) as administrator:
        administrator.execute("ALTER ROLE sla_monitor NOCREATEROLE")
        yield live
        administrator.execute("ALTER ROLE sla_monitor CREATEROLE")


def test_without_the_right_to_make_roles_only_our_own_files_are_loaded(without_roles: Server, whole: Path) -> None:
    assert data_of(restored_next_to(without_roles, whole)) == data_of(without_roles)
    loading.drop(without_roles, f"{without_roles.database}_replaced")

    with pytest.raises(BackupError, match=r"16 or newer, can allow it: ALTER ROLE sla_monitor CREATEROLE"):
        restored_next_to(without_roles, whole, foreign=True)
    assert databases(without_roles) == {without_roles.database}


def unsigned(writer: Writer) -> None:
    writer._file.write(container._stored(UNSIGNED_SEAL % writer._digest.hexdigest().encode()))


def test_a_file_of_another_installation_needs_a_word(
    live: Server, whole: Path, folder: Folder, settings: Settings
) -> None:
    ours, settings.SECRETS_KEYS = settings.SECRETS_KEYS, ["a key of somebody else's installation"]
    theirs = signing.key_ids()[0]
    path = doctored(whole, folder, raw_files=())
    settings.SECRETS_KEYS = ours

    words = rf"not made by this installation: it is signed with the key {theirs}, .* {signing.key_ids()[0]}"
    for attempt in (lambda: restored_next_to(live, path), lambda: nights.prove(live, folder, path, SILENT)):
        with pytest.raises(Foreign, match=words):
            attempt()
    other = restored_next_to(live, path, foreign=True)

    assert data_of(other)["public.change_counters"] == data_of(live)["public.change_counters"]


def test_a_file_that_is_not_signed_needs_a_word(live: Server, whole: Path, folder: Folder) -> None:
    path = doctored(whole, folder, seal=unsigned)

    with pytest.raises(Foreign, match=r"is not signed.*--foreign"):
        restored_next_to(live, path)
    assert data_of(restored_next_to(live, path, foreign=True)) == data_of(live)


def test_a_seal_that_was_computed_again_is_not_a_signature(live: Server, whole: Path, folder: Folder) -> None:
    def forged(writer: Writer) -> None:
        words = (writer._digest.hexdigest(), signing.key_ids()[0], "0" * 64)
        writer._file.write(container._stored(container.SIGNED_SEAL % tuple(word.encode() for word in words)))

    with pytest.raises(Foreign, match="not made by this installation"):
        restored_next_to(live, doctored(whole, folder, "SET row_security = off;", seal=forged))


def test_an_old_key_verifies_for_as_long_as_it_is_listed(whole: Path, settings: Settings) -> None:
    settings.SECRETS_KEYS = ["a new key that is long enough for us", *settings.SECRETS_KEYS]
    container.check(whole)

    settings.SECRETS_KEYS, settings.SECRET_KEY = settings.SECRETS_KEYS[:1], "another one that sessions are signed with"
    with pytest.raises(Foreign):
        container.check(whole)


def test_closed_days_are_signed_again_after_the_key_has_gone(live: Server, folder: Folder, settings: Settings) -> None:
    old = take(live, folder)
    settings.SECRETS_KEYS, settings.SECRET_KEY = ["a new key that is long enough for us"], "and another, for sessions"

    new = take(live, folder)

    assert set(old.raw_paths).isdisjoint(new.raw_paths) and all(path.exists() for path in old.raw_paths)
    assert data_of(restored_next_to(live, new.path)) == data_of(live)


def test_a_closed_day_that_we_did_not_sign_is_refused(live: Server, whole: Path, folder: Folder) -> None:
    path = doctored(whole, folder)
    day = folder.raw / container.head(whole).raw_files[0].file
    parts = [[b"".join(part)] for part in container.texts(day)]
    with day.open("wb") as file:
        writer = Writer(file)
        for part in parts:
            writer.member(part)
        unsigned(writer)

    with pytest.raises(Foreign, match=rf"{day.name} is not signed"):
        restored_next_to(live, path)


def test_names_of_tables_in_the_head_are_names(live: Server, folder: Folder) -> None:
    taken = take(live, folder, Kind.TABLES, ["change_counters"])
    (content,) = taken.manifest.tables.values()
    evil = "public.change_counters; DROP TABLE public.services"
    (folder.path / "raw").mkdir(exist_ok=True)
    for tables in ({evil: content}, {"public.nothing": Content(rows=0, checksum="0" * 16)}):
        path = doctored(taken.path, Folder(folder.path / "other"), tables=tables)
        with loading.source(path) as found, pytest.raises(BackupError, match=r"cannot be compared"):
            replacing.in_place(live, found, folder, nullcontext, SILENT)
    assert "public.services" in data_of(live)
