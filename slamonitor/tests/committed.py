"""After a test that commits, the database is as the migrations left it, so that tests may run in any order.

Django empties the tables that it manages. It knows nothing of tables with partitions, and also removes what migrations
put into a table.
"""

from collections.abc import Generator
from datetime import date

import pytest
from pytest_django.plugin import blocking_manager_key

FIXTURES = {"transactional_db", "live_server"}
STANDARD = {
    "name": "standard",
    "version": 1,
    "effective_on": date(1970, 1, 1),
    "late_maintenance": "restate",
    "reason": "The rules that the monitor comes with.",
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Clean up once all fixtures of the test, the database among them, have ended."""
    result = yield
    mark = item.get_closest_marker("django_db")
    if (mark and mark.kwargs.get("transaction")) or not FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        with item.config.stash[blocking_manager_key].unblock():
            _restore()
    return result


def _restore() -> None:
    from django.db import connection

    from database import partitions
    from monitoring.models import AccountingPolicy
    from monitoring.models.compressed import COMPRESSED_TABLES
    from monitoring.models.raw import RAW_TABLES

    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join((*RAW_TABLES, *COMPRESSED_TABLES))}")
        for table in (*RAW_TABLES, *COMPRESSED_TABLES):
            for day in partitions.existing(table) | partitions.detached(table):
                cursor.execute(f"DROP TABLE {table}_{day:%Y%m%d}")
    AccountingPolicy.objects.get_or_create(id=1, defaults=STANDARD)
    connection.close()
