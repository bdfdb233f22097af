"""A database that was away is found soon, however long it was away."""

from psycopg_pool.base import AttemptWithBackoff


def test_pools_ask_every_second_after_minutes_without_a_database() -> None:
    attempt, now, delays = AttemptWithBackoff(timeout=300.0), 0.0, list[float]()

    while now < 280:
        attempt.update_delay(now)
        delays.append(attempt.delay)
        now += attempt.delay

    assert max(delays) < 1.5
