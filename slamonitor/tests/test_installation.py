"""An installation under test leaves no process behind, whatever goes wrong."""

from pathlib import Path

import pytest

from slamonitor.tests.installation import Installation, command_line, family, wait_until

pytestmark = pytest.mark.processes


class Interrupted(Installation):
    """One that is given up when its first server runs."""

    def _is_served(self, began: int) -> bool:
        wait_until(lambda: self.processes("postgres"))
        self.seen = {pid: command_line(pid) for pid in family(self.pid)}
        raise KeyboardInterrupt


def test_start_that_is_interrupted_leaves_no_process(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # as root, the servers run as another user
    installation = Interrupted(tmp_path)

    with pytest.raises(KeyboardInterrupt), installation:
        pytest.fail("it has started")

    assert len(installation.seen) > 1
    wait_until(lambda: not left(installation.seen), lambda: f"still running: {left(installation.seen)}")


def left(seen: dict[int, str]) -> list[str]:
    """Return the command lines of those that still run."""
    return [line for pid, line in seen.items() if line and command_line(pid) == line]
