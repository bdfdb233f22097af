"""Find the installations of this program that run on this machine, for commands that were not told which one to use.

Settings are read after this, so it uses the standard library only.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from slamonitor.embedded.state_directory import home

ELSEWHERE = ".running"  # a folder with a link to each state directory outside the usual place


def running() -> list[Path]:
    """Return the state directories that a `manage.py up` uses now: the default, those in it, and registered ones."""
    default = home()
    found = [default, *_below(default), *(link.resolve() for link in _below(default / ELSEWHERE))]
    return list(dict.fromkeys(path for path in found if is_running(path)))


def is_running(state: Path) -> bool:
    """Return whether a `manage.py up` uses a state directory; those of other users don't count."""
    try:
        descriptor = os.open(state / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def registered(state: Path) -> Iterator[None]:
    """Let `running` find a state directory outside the usual place during the block."""
    if state == home() or state.parent == home():
        yield
        return
    link = home() / ELSEWHERE / hashlib.sha256(str(state).encode()).hexdigest()[:12]
    with contextlib.suppress(OSError):  # without a place to write, commands need --state-dir
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(state)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            link.unlink()


def _below(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []
