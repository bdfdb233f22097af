"""A whole installation under test or measurement: `manage.py up` on a state directory of its own."""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import psycopg

from slamonitor.embedded.state_directory import CHECKOUT, read_env

T = TypeVar("T")
PATIENCE_S = 120.0  # far longer than anything takes on a busy machine: a test fails for what happens, not for when
PORTS = range(10_000, 20_000)  # below those of outgoing connections and of embedded servers
# Variables of the test run, not of this installation.
NAMED_ELSEWHERE = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "BROKER_URL", "METRICS_DIR")


class Installation:
    """It runs in a `with` block. In it, ask with `query` and `page`; `stop` ends it, and `start` starts it again."""

    def __init__(self, folder: Path, *options: str, **variables: str) -> None:
        self.state, self.log = folder / "state", folder / "up.log"
        self.port, self.options = free_port(), options
        kept = {name: value for name, value in os.environ.items() if name not in NAMED_ELSEWHERE}
        self.env = {**kept, "SLAMONITOR_STATE_DIR": str(self.state), **variables}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self) -> None:
        """Start and wait until it says where to look; end it if it does not get there."""
        command = [sys.executable, "manage.py", "up", "--port", str(self.port), *self.options]
        with self.log.open("ab") as log:
            began = log.tell()
            self.process = subprocess.Popen(command, env=self.env, cwd=CHECKOUT, stdout=log, stderr=log)
        self.pid = self.process.pid
        try:
            wait_until(lambda: self._is_served(began), lambda: f"it did not start: {self.log.read_text()}")
            wait_until(self._answers, lambda: f"its back process does not answer: {self.log.read_text()}")
        except BaseException:
            self.end()
            raise

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit status."""
        self.process.send_signal(signum)
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        """Stop it if it still runs, and kill it if it does not end; its guardian then ends the other processes."""
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def manage(self, *arguments: str, text: str = "") -> str:
        """Run a command of `manage.py` against it and return what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, input=text, text=True, env=self.env, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE
        )
        return done.stdout

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(read_env(self.state)["DATABASE_URL"]) as connection:
            return connection.execute(sql, parameters or None).fetchall()

    def page(self, path: str = "") -> httpx.Response:
        return httpx.get(
            f"http://127.0.0.1:{self.port}/{path}",
            headers={"Accept-Language": "en"},
            timeout=PATIENCE_S,
            trust_env=False,
        )

    def processes(self, pattern: str = "") -> list[int]:
        """Return the ids of its processes whose command line has the pattern, itself included."""
        return sorted(pid for pid in family(self.pid) if re.search(pattern, command_line(pid)))

    def _answers(self) -> bool:
        """Return whether the back process of the web is there; the page is served before."""
        try:
            return self.page("api/v1/token").status_code < 500
        except httpx.TransportError:
            return False

    def _is_served(self, began: int) -> bool:
        assert self.process.poll() is None, self.log.read_text()[began:]
        return "Status page" in self.log.read_text()[began:]


def wait_until(
    condition: Callable[[], T], otherwise: str | Callable[[], str] = "", *, within_s: float = PATIENCE_S
) -> T:
    """Poll until the condition holds and return what it said; fail when it does not in time."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, otherwise if isinstance(otherwise, str) else otherwise()
        time.sleep(0.1)
    return value


def free_port() -> int:
    """Choose at random, as other workers choose too, a port that no outgoing connection can take meanwhile."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"no free port in {PORTS}")


def family(root_pid: int) -> set[int]:
    """Return a process and everything below it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended while we looked
    found = {root_pid} & set(parents)
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def command_line(pid: int) -> str:
    """Return a process's command, empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
