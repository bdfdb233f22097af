"""A suspended probe worker, as by a debugger, a snapshot or an overloaded host."""

import os
import signal
import time

from bench.faults.fault import Fault
from bench.faults.stage import Stage


def strike(stage: Stage) -> str:
    stopped_s = round(1.5 * stage.fault_s)
    pids = stage.installation.processes("--hostname probe")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(stopped_s)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    return f"stopped for {stopped_s} s"


def stutter(stage: Stage) -> str:
    pids = stage.installation.processes("--hostname probe")
    times = max(2, stage.fault_s // 2)
    for _ in range(times):
        for signum, seconds in ((signal.SIGSTOP, 1.2), (signal.SIGCONT, 0.8)):
            for pid in pids:
                os.kill(pid, signum)
            time.sleep(seconds)
    return f"stopped {times} times for 1.2 s, 0.8 s between"


FAULTS = [
    Fault(
        name="probe worker stopped (SIGSTOP)",
        promise="what it could not measure is unknown, not down; full rate within 10 s of going on",
        strike=strike,
    ),
    Fault(
        name="probe worker stutters (SIGSTOP again and again)",
        promise="what it could not measure is unknown, not down",
        strike=stutter,
    ),
]
