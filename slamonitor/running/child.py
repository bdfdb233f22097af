"""Describe child processes, and start them so that they cannot outlive us."""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from observability.logs import PROCESS

PR_SET_PDEATHSIG = 1
# Enough for thousands of probes in flight. The hard limit may be a billion in a container, and then libraries that
# close every possible descriptor after a fork take minutes.
MOST_FILES = 65_536

# Loaded before any fork: loading a library between fork and exec is not safe.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One program to run, how it is known to be ready, and how it is told to end."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)  # the whole environment; it holds secrets, hence no repr
    cwd: Path = Path("/")
    uid: int | None = None  # None: as we are
    gid: int | None = None
    raise_file_limit: bool = False
    ready: Callable[[], bool] | None = None  # None: ready as soon as it runs; must return within a second or two
    ready_timeout_s: float = 60.0
    lives_at: tuple[str, int] | None = None  # where /livez answers; a process that stops answering is killed
    stop_stage: int = 0  # lower stages end first
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 2.0  # then SIGKILL
    drained: Callable[[], bool] | None = None  # True: its work is done, so the stop signal may be sent
    drain_timeout_s: float = 0.0
    death_signal: signal.Signals = signal.SIGKILL  # sent when the supervisor is gone


def spawn(process: Process, stdout: int | IO[bytes] = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """Start a process as leader of its own group, standard error joined to its standard output.

    Must be called from a thread that lives as long as the process shall: Linux sends the parent-death signal when
    the *thread* ends. The own group keeps the terminal's Ctrl-C from reaching the child as well as us.
    """
    parent_pid = os.getpid()

    def in_child() -> None:
        if process.raise_file_limit:
            raise_file_limit()
        # Changing the user clears this setting, so it must come later. `Popen` calls this last before exec.
        die_with_parent(parent_pid, process.death_signal)

    return subprocess.Popen(
        process.command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        env={**process.env, PROCESS: process.name},
        cwd=process.cwd,
        user=process.uid,
        group=process.gid,
        extra_groups=None if process.uid is None else [],
        process_group=0,
        preexec_fn=in_child,
    )


def signal_group(pid: int, signum: signal.Signals) -> None:
    """Send a signal to all that is left of a child's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: the latter for one that has just ended
        os.killpg(pid, signum)


def is_alive(pid: int) -> bool:
    """Return whether a process of any user runs; one that has ended and waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:  # it has ended just now, or this system has no /proc
        return not Path("/proc/self").exists()


def raise_file_limit() -> None:
    """Let this process open as many files as it may, up to what thousands of probes need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # macOS has a further limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def die_with_parent(parent_pid: int, signum: signal.Signals) -> None:
    """Ask the kernel for a signal at the death of our parent's thread (Linux; elsewhere the guardian alone does it)."""
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before we could ask
        os._exit(1)
