"""Going back: every migration of ours can be taken back and made again, on a database of its own."""

from pathlib import Path

import psycopg
import pytest

from slamonitor.tests import compose
from slamonitor.tests.apart.conftest import SECRETS, Site
from slamonitor.tests.apart.servers import Servers


@pytest.fixture
def fresh(plain_servers: Servers, tmp_path: Path) -> Site:
    """A migrated database in addition to the others; no process uses it."""
    site = Site(tmp_path, plain_servers, compose.services({**SECRETS, "DB_NAME": "to_and_fro"}))
    env = site.services["worker"]["environment"]
    login = {"host": "127.0.0.1", "port": plain_servers.db_port, "user": env["DB_USER"], "password": env["DB_PASSWORD"]}
    with psycopg.connect(dbname="sla_monitor", autocommit=True, **login) as connection:
        connection.execute("DROP DATABASE IF EXISTS to_and_fro")
        connection.execute("CREATE DATABASE to_and_fro")
    site.run("worker", "migrate", "--no-input", "--verbosity", "0")
    return site


def test_every_migration_goes_back_and_forth(fresh: Site) -> None:
    tables = "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
    tables += " WHERE table_schema = 'public' ORDER BY 1, 2"
    before = fresh.query(tables)

    for app in ("incidents", "monitoring", "observability", "database"):
        fresh.run("worker", "migrate", app, "zero", "--no-input", "--verbosity", "0")
    assert {row[0] for row in fresh.query(tables)} & {"services", "watch_server_logs", "incident"} == set()
    fresh.run("worker", "migrate", "--no-input", "--verbosity", "0")

    assert fresh.query(tables) == before
