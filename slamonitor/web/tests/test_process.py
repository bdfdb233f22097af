"""The web process itself, while others hold what they can of it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from django.db import connection

from monitoring.engine import heartbeats
from monitoring.models import Heartbeat
from monitoring.tests.factories import make_service
from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.running.child import raise_file_limit
from slamonitor.tests.installation import PATIENCE_S, free_port, wait_until
from slamonitor.web import limits

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]

ANSWERS_WITHIN_S = 2.0  # on a busy machine; docs/reliability.md has what was measured
SILENT = 1_100
HALF = {
    "heartbeat": b"POST /heartbeat/nonsense HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n",
    "sign-in": b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nusername=",
    "browser error": b"POST /api/browser_errors HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n{",
    "headers": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
}


@dataclass(frozen=True)
class Web:
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://localhost:{self.port}{path}", trust_env=False, timeout=ANSWERS_WITHIN_S)

    def hold(self, stack: ExitStack, number: int, said: bytes = b"") -> list[socket.socket]:
        """Open connections that say this and then nothing, until the stack is closed."""
        held = []
        for _ in range(number):
            held.append(stack.enter_context(socket.create_connection(("127.0.0.1", self.port))))
            held[-1].sendall(said)
        return held


@contextmanager
def running(folder: Path, *, files: int = 4096) -> Iterator[Web]:
    """Start a web process on the database of the tests, which may open so many files."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    port, log = free_port(), folder / "web.log"
    env = {**os.environ, "DATABASE_URL": url, "METRICS_DIR": str(folder), "LOG_FORMAT": "line"}
    with log.open("wb") as output:
        limited = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"]
        command = [*limited, sys.executable, "-m", "slamonitor.web", "--port", str(port)]
        process = subprocess.Popen(command, env=env, cwd=CHECKOUT, stdout=output, stderr=output)
    web = Web(process, port, log)
    try:
        wait_until(lambda: is_served(web), log.read_text)
        yield web
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()


def is_served(web: Web) -> bool:
    assert web.process.poll() is None, web.log.read_text()
    try:
        return web.get("/").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with running(tmp_path) as web:
        yield web


def assert_everybody_is_served(web: Web) -> None:
    service = make_service(id="job", kind="heartbeat", endpoint_url=None, check_settings={"period": 3600})
    token = heartbeats.open_door(service)

    assert web.get("/").status_code == 200
    assert web.get("/livez").status_code == 200
    assert web.get("/static/statuspage/page.css").status_code == 200
    pinged = httpx.post(f"http://localhost:{web.port}/heartbeat/{token}", content=b"done", timeout=ANSWERS_WITHIN_S)
    assert pinged.text == "OK\n"
    assert Heartbeat.objects.get(service=service).last_ping_at is not None


@pytest.mark.parametrize("kind", HALF)
def test_half_open_requests_keep_nobody_out(web: Web, kind: str) -> None:
    with ExitStack() as stack:
        web.hold(stack, 40, HALF[kind])

        assert_everybody_is_served(web)


def test_silent_connections_keep_nobody_out_and_are_closed(web: Web) -> None:
    raise_file_limit()
    with ExitStack() as stack:
        held = web.hold(stack, SILENT)

        assert_everybody_is_served(web)

        for each in held:
            each.settimeout(3 * limits.HEADERS_WITHIN_S)
            assert is_closed(each)


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_few_descriptors_flood_no_log_and_lock_nobody_out(tmp_path: Path) -> None:
    with ExitStack() as stack:
        web = stack.enter_context(running(tmp_path, files=256))
        before = len(web.log.read_bytes())
        web.hold(stack, 400)

        assert_everybody_is_served(web)
        assert len(web.log.read_bytes()) - before < 20_000


def test_the_end_comes_in_time_whatever_is_held(web: Web) -> None:
    with ExitStack() as stack:
        web.hold(stack, 20)
        for said in HALF.values():
            web.hold(stack, 10, said)
        web.process.send_signal(signal.SIGTERM)

        assert web.process.wait(PATIENCE_S) == 0
    assert not re.search("Traceback|ERROR", web.log.read_text()), web.log.read_text()
