"""The wall clock of one process leaps while running, and back; the clocks of the others and the broker stay right."""

import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from bench.faults.fault import Fault, NotShown
from bench.faults.stage import Stage

SOURCE = Path(__file__).with_name("shifted_clock.c")
ROLES = ("beat", "engine", "probe")
LEAPS_S = (3600, -3600, -180)
WORDS = "an hour ahead, an hour back, 180 s back"
STAMPED_WITHIN_S = 15


@contextmanager
def movable() -> Iterator[dict[str, str]]:
    """Yield the environment for an installation whose processes have clocks that `move` moves; none here."""
    with tempfile.TemporaryDirectory(prefix="slamonitor-clocks-") as folder:
        Path(folder).chmod(0o755)
        library = Path(folder) / "shifted_clock.so"
        compiler = shutil.which("cc")
        if compiler is None:
            yield {}
            return
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True)
        for role in ROLES:
            _write(Path(folder) / role, 0)
        yield {"LD_PRELOAD": str(library), "BENCH_CLOCKS": folder}


def move(stage: Stage, roles: Sequence[str], seconds: float) -> None:
    """Set the offset of the clocks of processes from now on."""
    folder = stage.installation.env.get("BENCH_CLOCKS")
    if folder is None:
        raise NotShown("this machine has no C compiler (cc), with which a process gets a clock of its own")
    for role in roles:
        _write(Path(folder) / role, seconds)


def _write(path: Path, seconds: float) -> None:
    # In place and complete, because processes have the file mapped.
    with suppress(FileNotFoundError), path.open("r+b") as file:
        os.pwrite(file.fileno(), struct.pack("q", round(seconds * 1e9)), 0)
        return
    path.write_bytes(struct.pack("q", round(seconds * 1e9)))


def strike(stage: Stage, roles: Sequence[str]) -> str:
    for leap_s in LEAPS_S:
        try:
            move(stage, roles, leap_s)
            began = time.monotonic()
            if set(roles) & {"engine", "probe"}:
                stage.wait(lambda: _says_so(stage, roles, leap_s), "nobody notices the leap", STAMPED_WITHIN_S)  # noqa: B023
            time.sleep(max(0.0, stage.fault_s - (time.monotonic() - began)))
        finally:
            move(stage, roles, 0)
    return f"{WORDS}, for {stage.fault_s} s each"


def _says_so(stage: Stage, roles: Sequence[str], leap_s: float) -> bool:
    """Return whether the workers themselves report the offset of their clocks: otherwise no fault was injected."""
    said = dict(
        stage.installation.query(
            "SELECT role, max((facts ->> 'clock_ahead_ms')::float) / 1000"
            " FROM engine_workers WHERE seen_at > now() - interval '15 s' GROUP BY role"
        )
    )
    return all(abs((said.get(role) or 0) - leap_s) < 1 for role in roles if role != "beat")


def _fault(name: str, roles: Sequence[str]) -> Fault:
    return Fault(
        name=f"clock of {name}: {WORDS}",
        promise="checks go on by the broker's clock; no gap of more than seconds, no outage but the real ones",
        strike=partial(strike, roles=roles),
    )


FAULTS = [*(_fault(f"{role} alone", [role]) for role in ROLES), _fault("beat, engine and probe worker", ROLES)]
