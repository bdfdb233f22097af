"""A live database of its own for each test, because restoring ends the sessions of its users."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from database.backups import loading
from database.backups.folder import Folder
from database.backups.manifest import Kind
from database.backups.progress import SILENT
from database.backups.server import Server, application_server
from database.backups.taking import take
from database.backups.tests.cast import fill

TEMPLATE = "backup_template"
numbers = itertools.count()


@pytest.fixture(scope="session")
def template(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The schema of this release with some rows, in a database that nobody is connected to."""
    with django_db_blocker.unblock():
        server = application_server()
        taken = take(server, Folder(tmp_path_factory.mktemp("template")), Kind.WITHOUT_RAW)
        loading.create(server, TEMPLATE)
        with loading.source(taken.path) as found:
            loading.load(server.of(TEMPLATE), found, SILENT)
        fill(server.of(TEMPLATE))
        yield server.of(TEMPLATE)
        loading.drop(server, TEMPLATE)


@pytest.fixture
def live(template: Server) -> Iterator[Server]:
    server = template.of(f"backup_live_{next(numbers)}")
    with server.administration() as connection:
        connection.execute(f"CREATE DATABASE {server.database} TEMPLATE {TEMPLATE}".encode())
    yield server
    for name in (server.database, f"{server.database}_restoring", f"{server.database}_replaced"):
        loading.drop(server, name)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "backups")
