"""Shared fixtures. This module is loaded before Django is set up, so functions import models themselves."""

from collections.abc import Iterator
from datetime import date

import pytest
from django.db import connection


@pytest.fixture
def committing(transactional_db: None) -> Iterator[None]:
    """Let a test commit: what Django's own emptying of tables leaves goes, and what it takes too much is there."""
    from monitoring.models import AccountingPolicy

    _empty_raw_tables()
    AccountingPolicy.objects.get_or_create(name="standard", version=1, defaults={"effective_on": date(1970, 1, 1)})
    yield
    _empty_raw_tables()


def _empty_raw_tables() -> None:
    """Empty the tables that have partitions, of which Django knows nothing."""
    from monitoring.models.raw import RAW_TABLES

    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(RAW_TABLES)}")
