"""Outlive the supervisor for a moment, to end the processes that it left.

The supervisor starts this file as a program, holds the only other end of its standard input, and writes one line for
each process group that begins (`+ group signal`) or is gone (`- group`). However the supervisor ends, even by
`kill -9`, the kernel closes that pipe; what is then still listed gets its signal, and a moment later SIGKILL.
It covers what the parent-death signal cannot: grandchildren, and systems other than Linux.

The guardian also inherits the lock of the state directory, so the next `up` waits until it has finished.
"""

import os
import signal
import sys
import time

GRACE_S = 5.0


def main() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    end(_listen())


def _listen() -> dict[int, int]:
    """Maintain the list until the supervisor is gone; return the remaining groups with their signals."""
    groups: dict[int, int] = {}
    for line in sys.stdin:
        match line.split():
            case ["+", group, signum]:
                groups[int(group)] = int(signum)
            case ["-", group]:
                groups.pop(int(group), None)
    return groups


def end(groups: dict[int, int], grace_s: float = GRACE_S) -> None:
    """Signal every group, wait for all of them, and kill those that stay."""
    remaining = [group for group, signum in groups.items() if _signal(group, signum)]
    deadline = time.monotonic() + grace_s
    while remaining and time.monotonic() < deadline:
        time.sleep(0.05)
        remaining = [group for group in remaining if _signal(group, 0)]
    for group in remaining:
        _signal(group, signal.SIGKILL)


def _signal(group: int, signum: int) -> bool:
    """Send a signal to a group, and return whether the group still exists."""
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):  # macOS reports zombies as the latter
        return False
    return True


if __name__ == "__main__":
    main()
