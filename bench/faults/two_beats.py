"""A second beat beside the first, as after a mistake of the operator or of an orchestrator."""

import subprocess
import time
from datetime import datetime

from bench.faults.fault import Fault
from bench.faults.stage import FAILING, Stage
from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.running.processes import program


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
    # One more for the service that the installation made of itself, every 10 s.
    expected = (stage.steady + 2 * FAILING + 1) * seconds
    assert dispatched <= expected * 1.01, f"{dispatched} slots handed out in {seconds:.0f} s"
    return f"{dispatched} slots handed out in {seconds:.0f} s by two"


def _counts(stage: Stage) -> tuple[int, datetime]:
    slots, until = stage.ask("SELECT dispatched_slots, dispatched_until FROM dispatch_watermark")[0]
    return slots, until


FAULTS = [
    Fault(name="two beats", promise="each slot is handed out once", strike=strike),
]
