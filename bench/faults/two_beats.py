"""A second beat in addition to the first, as by a mistake of the operator or of an orchestrator."""

import subprocess
import time
from datetime import datetime

from bench.faults.fault import Fault
from bench.faults.stage import FAILING, Stage
from monitoring.rules.unix_time import to_ms
from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.running.processes import program

DUE = """
    SELECT sum((%s - 1 - phase_ms) / check_interval - (%s - 1 - phase_ms) / check_interval)::bigint
    FROM services WHERE is_active AND archived_at IS NULL
"""
RECHECKS = 2 * FAILING  # of the services whose target dies meanwhile, when their next slot is in a later window


def strike(stage: Stage) -> str:
    before = _counts(stage)
    command = [program("celery"), "--quiet", "--app", "slamonitor", "beat"]
    second = subprocess.Popen(
        command, env=stage.installation.env, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(stage.fault_s)
        assert second.poll() is None, "the second beat ended by itself"
    finally:
        second.kill()
        second.wait()
    after = _counts(stage)
    seconds = (after[1] - before[1]).total_seconds()
    dispatched = after[0] - before[0]
    (due,) = stage.ask(DUE, to_ms(after[1]), to_ms(before[1]))[0]
    assert due <= dispatched <= due + RECHECKS, f"{dispatched} slots handed out in {seconds:.1f} s, {due} were due"
    return f"{dispatched} slots handed out in {seconds:.1f} s by two, {due} were due"


def _counts(stage: Stage) -> tuple[int, datetime]:
    slots, until = stage.ask("SELECT dispatched_slots, dispatched_until FROM dispatch_watermark")[0]
    return slots, until


FAULTS = [
    Fault(name="two beats", promise="each slot is handed out once", strike=strike),
]
