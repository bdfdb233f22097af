"""A whole installation for one measurement, and a target for it to measure."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.tests.installation import Installation


@contextmanager
def running(*options: str) -> Iterator[Installation]:
    """Start an installation on a temporary state directory and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="slamonitor-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, the servers run as somebody else
        installation = Installation(Path(folder), *options)
        installation.start()
        try:
            yield installation
        finally:
            installation.stop()


@contextmanager
def target() -> Iterator[str]:
    """Start the fast target and yield its URL."""
    command = [sys.executable, "-m", "bench.targets"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


def services_file(count: int, interval_ms: int, url: str) -> str:
    """Write a file for `sync_services` with this many services."""
    service = "- {{id: bench-{0}, name: bench-{0}, endpoint_url: '{1}/{0}', check_interval: {2}}}"
    return "services:\n" + "\n".join(service.format(number, url, interval_ms) for number in range(count))
