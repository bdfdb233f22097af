"""A complete installation for one measurement, and a target for it to measure."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.tests.installation import Installation


@contextmanager
def running(*options: str, **variables: str) -> Iterator[Installation]:
    """Start an installation on a temporary state directory and stop it at the end.

    Options are those of `manage.py up`; variables go into its environment.
    """
    with tempfile.TemporaryDirectory(prefix="slamonitor-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, the servers run as another user
        with Installation(Path(folder), *options, **variables) as installation:
            yield installation


@contextmanager
def target(*options: str) -> Iterator[str]:
    """Start the fast target and yield its URL."""
    command = [sys.executable, "-m", "bench.targets", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        scheme = "https" if "--tls" in options else "http"
        try:
            yield f"{scheme}://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


@contextmanager
def tls_target() -> Iterator[tuple[str, dict[str, str]]]:
    """Start it behind TLS; yield its URL, and the environment of an installation that trusts it."""
    with tempfile.TemporaryDirectory(prefix="slamonitor-bench-") as folder:
        authority, own = Path(folder, "authority.pem"), Path(folder, "target.pem")
        issuer = trustme.CA()
        issuer.cert_pem.write_to_path(authority)
        issuer.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(own)
        with target("--tls", str(own)) as url:
            yield url, {"SSL_CERT_FILE": str(authority)}


def services_file(count: int, interval_ms: int, url: str, hanging_percent: int = 0) -> str:
    """Write a file for `sync_services` with this many services, for some of which the target never answers."""
    service = "- {{id: bench-{0}, name: bench-{0}, endpoint_url: '{1}{2}/{0}', check_interval: {3}, timeout: 4000}}"
    lines = [
        service.format(number, url, "/hangs" if number % 100 < hanging_percent else "", interval_ms)
        for number in range(count)
    ]
    return "\n".join(["services:", *lines])
