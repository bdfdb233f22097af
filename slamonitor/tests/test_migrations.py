"""Migrations run while the release before them still works: what would break it is found here, and all can go back.

The analyser (django-migration-linter) reads the SQL of each migration. Before the first release nothing ran that
could break, so what it finds in the migrations of that time is stated, and nothing else is let through.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django_migration_linter.migration_linter import MigrationLinter
from django_migration_linter.sql_analyser.postgresql import PostgresqlAnalyser

from slamonitor.embedded.state_directory import CHECKOUT

INDEX = {"CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE"}  # of tables that were empty then
BEFORE_RELEASE = {
    "monitoring.0001_initial": INDEX,
    "monitoring.0003_spans": INDEX,
    "monitoring.0004_checks": {*INDEX, "DROP_INDEX", "ADD_UNIQUE", "NOT_NULL"},
    "monitoring.0005_hours": {"CREATE_INDEX"},
}
COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


def analysed(statements: list[str]) -> set[str]:
    """Return the codes of what would break running code, or hold it up."""
    analyser = PostgresqlAnalyser(None)
    analyser.analyse([COMMENT.sub("", statement).strip() for statement in statements])
    return {issue.code for issue in (*analyser.errors, *analyser.warnings)}


def our_migrations() -> Iterator[tuple[str, str]]:
    ours = {app.label for app in apps.get_app_configs() if CHECKOUT in Path(app.path).parents}
    yield from (key for key in sorted(MigrationLoader(connection).disk_migrations) if key[0] in ours)


@pytest.mark.django_db
def test_no_migration_breaks_the_release_before_it():
    linter = MigrationLinter(no_cache=True, no_output=True)
    found = {f"{app}.{name}": analysed(linter.get_sql(app, name)) for app, name in our_migrations()}

    assert {name: codes for name, codes in found.items() if codes} == BEFORE_RELEASE, (
        "Old code must run on the new schema: add nullable or with a database default, fill, constrain in a later "
        "release; build indexes concurrently (CONTRIBUTING.md)"
    )


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ('ALTER TABLE "services" DROP COLUMN "name";', "DROP_COLUMN"),
        ('ALTER TABLE "services" RENAME COLUMN "name" TO "title";', "RENAME_COLUMN"),
        ('ALTER TABLE "services" RENAME TO "targets";', "RENAME_TABLE"),
        ('DROP TABLE "services";', "DROP_TABLE"),
        ('ALTER TABLE "services" ADD COLUMN "owner" text NOT NULL;', "NOT_NULL"),
        ('ALTER TABLE "services" ALTER COLUMN "name" TYPE integer;', "ALTER_COLUMN"),
        ('CREATE INDEX "slow" ON "services" ("name");', "CREATE_INDEX"),
    ],
)
def test_what_would_break_running_code_is_found(statement: str, code: str):
    assert code in analysed([statement])


@pytest.mark.parametrize(
    "statement",
    [
        'ALTER TABLE "services" ADD COLUMN "owner" text NULL;',
        'ALTER TABLE "services" ADD COLUMN "owner" text DEFAULT \'\' NOT NULL;',
        'CREATE INDEX CONCURRENTLY "slow" ON "services" ("name");',
        "-- Words about it.\nCREATE TABLE folded (day date NOT NULL);",
    ],
)
def test_what_running_code_does_not_notice_passes(statement: str):
    assert analysed([statement]) == set()
