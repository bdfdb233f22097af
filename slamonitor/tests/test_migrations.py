"""Migrations run while the release before them still works: what would break it is found here, and all can go back.

The analyser (django-migration-linter) reads the SQL of each migration. Before the first release nothing ran that
could break, so what it finds in the migrations of that time is stated, and nothing else is let through.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlparse
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django_migration_linter.sql_analyser.postgresql import PostgresqlAnalyser

from observability.version import VERSION
from slamonitor.embedded.state_directory import CHECKOUT

pytestmark = pytest.mark.slow

BEFORE_RELEASE = {
    "incidents.0002_incident_drafts": {"ADD_UNIQUE"},  # of rows that only new code marks
    "monitoring.0004_checks": {"DROP_INDEX", "ADD_UNIQUE", "NOT_NULL"},
    "monitoring.0017_restated_in_substance": {
        "DROP_INDEX",
        "ADD_UNIQUE",
    },  # a constraint that asks for less than before
}
# An index that is not built concurrently holds writers up on a large table; before 1.0 nobody has one of ours.
MAY_STILL = {"CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE"} if VERSION.startswith("0.") else set[str]()


def analysed(sql: str) -> set[str]:
    """Return the codes of what would break running code, or hold it up; the analyser wants one line a statement."""
    analyser = PostgresqlAnalyser(None)
    plain = sqlparse.format(sql, strip_comments=True)
    analyser.analyse([" ".join(statement.split()) for statement in sqlparse.split(plain)])
    return {issue.code for issue in (*analyser.errors, *analyser.warnings)}


def our_migrations() -> Iterator[tuple[str, str]]:
    # Directly below the checkout: a virtual environment may lie in it, too.
    ours = {app.label for app in apps.get_app_configs() if Path(app.path).parent == CHECKOUT}
    yield from (key for key in sorted(MigrationLoader(connection).disk_migrations) if key[0] in ours)


def sql_of(app: str, name: str) -> str:
    with open(os.devnull, "w") as nowhere:
        return str(call_command("sqlmigrate", app, name, stdout=nowhere))


@pytest.mark.django_db
def test_no_migration_breaks_the_release_before_it() -> None:
    found = {f"{app}.{name}": analysed(sql_of(app, name)) for app, name in our_migrations()}

    assert {name: codes - MAY_STILL for name, codes in found.items() if codes - MAY_STILL} == BEFORE_RELEASE, (
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
def test_what_would_break_running_code_is_found(statement: str, code: str) -> None:
    assert code in analysed(statement)


@pytest.mark.parametrize(
    "statement",
    [
        'ALTER TABLE "services" ADD COLUMN "owner" text NULL;',
        'ALTER TABLE "services" ADD COLUMN "owner" text DEFAULT \'\' NOT NULL;',
        'CREATE INDEX CONCURRENTLY "slow" ON "services" ("name");',
        "-- Words about it.\nCREATE TABLE folded (day date NOT NULL);",
    ],
)
def test_what_running_code_does_not_notice_passes(statement: str) -> None:
    assert analysed(statement) == set()
