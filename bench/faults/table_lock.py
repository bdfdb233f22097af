"""A lock on a raw table, as by CREATE INDEX: checks go on, and are stored once it is released."""

import time
from functools import partial

import psycopg

from bench.faults.fault import Fault
from bench.faults.servers_away import results_waiting
from bench.faults.stage import Stage
from slamonitor.embedded.state_directory import read_env

SHORTEST_S = 10  # longer than the engine waits for a lock


def strike(stage: Stage, table: str) -> str:
    """Hold the lock while the crowd's target fails, so that rechecks are due, too."""
    lock_s = max(SHORTEST_S, stage.fault_s + 5)
    stage.set_crowd(is_active=True)
    stage.wait_for_crowd("o")
    stage.crowd_target.tell("fail")
    with psycopg.connect(read_env(stage.installation.state)["DATABASE_URL"]) as connection:
        connection.execute(f"LOCK TABLE {table} IN SHARE MODE")
        time.sleep(lock_s)
        waiting = results_waiting(stage)
    stage.wait_for_crowd("mo")
    stage.crowd_target.tell("answer")
    stage.wait_for_crowd("o")
    stage.set_crowd(is_active=False)
    assert waiting, "nothing waited: the table was not locked"
    return f"locked for {lock_s} s, {waiting} batches waited"


FAULTS = [
    Fault(
        name=f"a lock on a raw table: {table}",
        promise="no slot is lost: dispatch goes on, results wait in the queue and are stored after it",
        strike=partial(strike, table=table),
        loses_no_slot=True,
    )
    for table in ("watch_server_logs", "api_response_times")
]
