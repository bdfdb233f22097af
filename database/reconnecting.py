"""How soon a process finds a database that was away."""

from psycopg_pool.base import AttemptWithBackoff


def ask_every_second() -> None:
    """Let pools ask for a connection once a second for as long as the database is away.

    They would double their pause each time: after five minutes without a database it may take them two more to notice
    that it is back.
    """
    AttemptWithBackoff.DELAY_BACKOFF = 1.0
