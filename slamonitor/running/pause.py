"""Pause the engine: a command requests it, and `manage.py up` keeps the engine off, so nothing measures or records.

The pause is a kernel lock on a file of the state directory. The kernel releases it when the command ends in any way, so
the engine does not stay off after a command was killed.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from slamonitor.running.child import Process
from slamonitor.running.supervisor import Supervisor

STOP_TIMEOUT_S = 30.0
LOOKING_S = 2.0
PAUSED = b"paused\n"


class NotPaused(Exception):
    """The engine runs and did not stop."""


@contextmanager
def paused(state: Path) -> Iterator[None]:
    """Keep the engine of a running `manage.py up` off during the block. Raises `NotPaused`."""
    descriptor = os.open(state / "pause", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    try:
        while not _take(descriptor):  # a process that only checks the lock holds it for a moment, too
            if time.monotonic() > deadline - STOP_TIMEOUT_S + LOOKING_S:
                raise NotPaused("Another command has already paused the engine.")
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        while os.pread(descriptor, len(PAUSED), 0) != PAUSED:
            if time.monotonic() > deadline:
                raise NotPaused(f"The engine did not stop within {STOP_TIMEOUT_S:g} s.")
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def watch(supervisor: Supervisor, state: Path, is_of_engine: Callable[[Process], bool]) -> None:
    """Keep all children running until a signal asks to stop; during a pause those of the engine are off."""
    while supervisor.watch(until=lambda: _is_held(state / "pause")):
        supervisor.say("the engine pauses as requested by a command")
        processes = supervisor.end(is_of_engine)
        (state / "pause").write_bytes(PAUSED)
        if not supervisor.watch(until=lambda: not _is_held(state / "pause")):
            return
        supervisor.say("the engine continues")
        for process in processes:
            supervisor.start(process)


def _is_held(path: Path) -> bool:
    """Return whether a process holds the kernel's lock on a file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False  # another user's file, so not our pause
    try:
        return not _take(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
