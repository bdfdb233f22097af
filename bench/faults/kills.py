"""Kill -9 of each kind of process in turn, and of all of them at once."""

import signal
import time
from collections.abc import Callable
from functools import partial

from bench.faults.fault import Fault
from bench.faults.stage import Stage

PROMISE = "a gap, shown as unknown; nothing doubled, no outage; full rate within 10 s"
ENDS_WITHIN_S = 15


def kill(stage: Stage, pattern: str, which: int) -> str:
    stage.kill(pattern, which=which)
    return ""


def kill_web(stage: Stage) -> str:
    stage.kill("slamonitor.web --")
    began = time.monotonic()
    stage.wait(lambda: stage.installation.page().status_code == 200, "the page does not come back")
    return f"page after {time.monotonic() - began:.1f} s"


def kill_everything(stage: Stage) -> str:
    """Kill `up` itself, which ends all others; then start it again."""
    pids = stage.installation.processes()
    stage.installation.stop(signal.SIGKILL)
    stage.wait(lambda: not any(map(_is_alive, pids)), "processes outlived `up`", ENDS_WITHIN_S)
    began = time.monotonic()
    stage.installation.start()
    return f"started in {time.monotonic() - began:.1f} s"


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _fault(name: str, strike: Callable[[Stage], str]) -> Fault:
    return Fault(name=f"kill -9: {name}", promise=PROMISE, strike=strike)


FAULTS = [
    _fault("beat", partial(kill, pattern="app slamonitor beat", which=0)),
    _fault("probe worker", partial(kill, pattern="--hostname probe", which=0)),
    _fault("dispatch", partial(kill, pattern="--hostname dispatch", which=0)),
    _fault("engine worker", partial(kill, pattern="--hostname engine", which=0)),
    _fault("a process of the engine's pool", partial(kill, pattern="--hostname engine", which=-1)),
    _fault("web", kill_web),
    _fault("PostgreSQL", partial(kill, pattern="bin/postgres ", which=0)),
    _fault("Redis", partial(kill, pattern="(redis|valkey)-server", which=0)),
    _fault("`up` itself", kill_everything),
]
