"""Limit the duration of a query: a user waits for it, and others need the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled


@contextmanager
def time_limit(milliseconds: int, error_class: type[Exception]) -> Iterator[None]:
    """End each statement of the block that takes longer, and raise `error_class`. The block is a transaction."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {milliseconds:d}")
            yield
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")  # an outer transaction, as in tests, goes on
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise error_class from error
        raise
