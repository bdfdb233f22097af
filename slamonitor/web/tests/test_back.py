"""The back process: what it answers, and that whatever becomes of it the front process goes on."""

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from slamonitor.tests.installation import PATIENCE_S, wait_until
from slamonitor.web import link
from slamonitor.web.back import NICENESS
from slamonitor.web.frames import Frame, Unpacker, packed
from slamonitor.web.tests.test_process import Web, assert_everybody_is_served, running

pytestmark = pytest.mark.django_db(transaction=True)

AGAIN_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Web]:
    with running(tmp_path_factory.mktemp("back")) as web:
        yield web


@pytest.fixture
def web(shared: Web) -> Web:
    """The same front process for all, with a back process that is ready."""
    wait_until(lambda: is_answered(shared), shared.log.read_text, within_s=AGAIN_WITHIN_S)
    return shared


def back_of(web: Web) -> psutil.Process:
    children = psutil.Process(web.process.pid).children()
    return next(child for child in children if "slamonitor.web.back" in child.cmdline())


def is_answered(web: Web) -> bool:
    """Say whether the back process answers."""
    try:
        return web.get("/admin/login/").status_code == 200
    except httpx.TransportError:
        return False


def test_a_killed_back_process_harms_nobody_else_and_is_replaced(web: Web) -> None:
    back = back_of(web)
    back.kill()
    assert_everybody_is_served(web)

    wait_until(lambda: is_answered(web), web.log.read_text, within_s=AGAIN_WITHIN_S)
    assert back_of(web).pid != back.pid
    assert re.search("back process is started again.*ended", web.log.read_text())


def test_what_a_killed_back_process_had_is_answered_in_our_form(web: Web) -> None:
    back = back_of(web)
    back.suspend()
    with ExitStack() as stack:
        said = b"GET /api/v1/services HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Trace-Id: %032d\r\n\r\n"
        (client,) = web.hold(stack, 1, said % 7)
        assert_everybody_is_served(web)
        back.kill()
        client.settimeout(AGAIN_WITHIN_S)
        answer = b"".join(iter(lambda: client.recv(65_536), b"")).decode()

    assert answer.startswith("HTTP/1.1 503") and "Retry-After: 5" in answer
    assert '"DEPENDENCY_UNAVAILABLE"' in answer and f"{7:032}" in answer


def test_requests_wait_for_the_next_back_process(web: Web) -> None:
    back_of(web).kill()

    with httpx.Client(base_url=f"http://localhost:{web.port}", trust_env=False, timeout=AGAIN_WITHIN_S) as client:
        answers = [client.get("/admin/login/").status_code for _ in range(3)]

    assert answers[-1] == 200 and set(answers) <= {200, 503}, answers  # the first may have been under way


def test_a_back_process_that_stands_still_is_killed_and_replaced(web: Web) -> None:
    back = back_of(web)
    back.suspend()

    assert_everybody_is_served(web)
    wait_until(lambda: not back.is_running(), web.log.read_text, within_s=link.SILENT_S + AGAIN_WITHIN_S)
    wait_until(lambda: is_answered(web), web.log.read_text, within_s=AGAIN_WITHIN_S)
    assert "silent" in web.log.read_text()


def test_it_gives_way_where_the_cores_do_not_suffice(web: Web) -> None:
    assert back_of(web).nice() == psutil.Process(web.process.pid).nice() + NICENESS


def test_nobody_can_say_he_comes_from_elsewhere(web: Web) -> None:
    """Metrics are for this machine: the address is sent separately from the headers of a request."""
    url = f"http://localhost:{web.port}/metrics"
    names = ("Remote-Addr", "REMOTE_ADDR", "Server-Name")

    assert httpx.get(url, headers=dict.fromkeys(names, "203.0.113.9"), trust_env=False, timeout=30).status_code == 200


def test_both_processes_are_counted(web: Web) -> None:
    text = httpx.get(f"http://localhost:{web.port}/metrics", trust_env=False, timeout=30).text

    for route in ("statuspage:page", "admin:login"):  # the first in the front process, the second in the other
        assert re.search(rf'http_requests_total{{method="GET",route="{route}",status="200"}} [1-9]', text), text


@pytest.mark.parametrize("is_stopped", [False, True])
def test_it_dies_with_the_front_process(tmp_path: Path, is_stopped: bool) -> None:
    with running(tmp_path) as web:
        back = back_of(web)
        if is_stopped:
            wait_until(lambda: is_answered(web), within_s=AGAIN_WITHIN_S)
            back.suspend()
        web.process.kill()

        wait_until(lambda: not back.is_running() or back.status() == psutil.STATUS_ZOMBIE, within_s=AGAIN_WITHIN_S)


def test_it_ends_with_the_front_process_and_not_before(tmp_path: Path) -> None:
    with running(tmp_path) as web:
        wait_until(lambda: is_answered(web), within_s=AGAIN_WITHIN_S)
        back = back_of(web)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(back.pid, signum)
        assert is_answered(web)
        web.process.send_signal(signal.SIGTERM)

        assert web.process.wait(PATIENCE_S) == 0
        assert not back.is_running()
        assert not re.search("Traceback|ERROR", web.log.read_text()), web.log.read_text()


def test_frames_are_the_same_however_they_are_cut() -> None:
    frames = [Frame(1, ["api", {"A": "é\n"}], b"x" * 1000), Frame(0, None, b""), Frame(2**40, [], b"\0")]
    stream = b"".join(packed(*frame) for frame in frames)

    for step in (1, 7, 16, 500, len(stream)):
        unpacker = Unpacker()
        pieces = [stream[begin : begin + step] for begin in range(0, len(stream), step)]
        assert [frame for piece in pieces for frame in unpacker.feed(piece)] == frames, step


def test_an_answer_of_many_megabytes_arrives_whole() -> None:
    ours, theirs = socket.socketpair()
    frame = packed(1, ["200 OK", []], b"x" * 30_000_000)
    sender = threading.Thread(target=theirs.sendall, args=(frame,))
    with ours, theirs:
        sender.start()
        unpacker, found = Unpacker(), list[Frame]()
        while not found:
            found += unpacker.feed(ours.recv(262_144))
        sender.join()

    assert len(found[0].body) == 30_000_000
