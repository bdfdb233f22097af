"""How soon a process finds a database again that was away."""

from psycopg_pool.base import AttemptWithBackoff


def ask_every_second() -> None:
    """Let pools request a connection once a second while the database is away.

    By default they double their pause each time: after five minutes without a database it may take them two more to
    notice that it is back.
    """
    AttemptWithBackoff.DELAY_BACKOFF = 1.0
