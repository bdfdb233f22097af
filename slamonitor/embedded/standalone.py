"""Run an embedded server without the supervisor, as tests do."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from slamonitor.embedded.state_directory import EmbeddedError, StateDirectory
from slamonitor.running.child import Process, signal_group, spawn


@contextlib.contextmanager
def state_directory(path: Path | None) -> Iterator[StateDirectory]:
    """Yield the state directory at a path, or a temporary one that is removed at the end."""
    if path is not None:
        yield StateDirectory.create(path)
        return
    # Right below /tmp: what tempfile and pytest choose may be long, or closed to the servers' user.
    folder = Path(tempfile.mkdtemp(prefix="slamonitor-", dir="/tmp"))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    try:
        yield StateDirectory.create(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(process: Process, log: Path, stop_within_s: float = 10.0) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the end of the block, ready when the block begins. Raises `EmbeddedError` with its log."""
    with log.open("wb") as file:
        child = spawn(process, stdout=file)
    try:
        _wait_ready(child, process, log)
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(process.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(stop_within_s)
        signal_group(child.pid, signal.SIGKILL)
        child.wait()


def _wait_ready(child: subprocess.Popen[bytes], process: Process, log: Path) -> None:
    deadline = time.monotonic() + process.ready_timeout_s
    while process.ready is not None and not process.ready():
        if child.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            raise EmbeddedError(f"{process.name} does not start. End of its log:\n{tail}")
        time.sleep(0.02)
