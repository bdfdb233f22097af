"""Canaries, with a real server that answers or is gone, through a real probe loop."""

import errno
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from monitoring.tests.factories import make_result
from monitoring.worker import messages, probe_worker
from monitoring.worker.canaries import Canaries
from monitoring.worker.probe_loop import ProbeLoop


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def loop() -> Iterator[Any]:
    loop = ProbeLoop(probe_worker.make_probe, lambda results: None, max_held=10)
    yield loop
    loop.stop(2)


def asking(loop: Any, monkeypatch: Any, *urls: Any) -> Any:
    now = [1_000.0]
    monkeypatch.setattr(probe_worker, "loop", lambda: loop)
    return Canaries(urls, probe_worker._ask_canaries, lambda: now[0]), now


def test_any_status_of_any_canary_is_an_answer(server: Any, loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = HTTPServer(("127.0.0.1", 0), Answer)
    closed.server_close()
    alive, dead = (f"http://127.0.0.1:{each.server_port}/" for each in (server, closed))

    assert asking(loop, monkeypatch, dead, alive)[0].look(has_failures=True).has_answer
    said = asking(loop, monkeypatch, dead)[0].look(has_failures=True)
    assert not said.has_answer
    assert said.canaries == dead


def test_a_stopping_worker_says_nothing(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    canaries, _now = asking(loop, monkeypatch, "http://127.0.0.1:1/")
    loop.stop(2)

    assert canaries.look(has_failures=True) is None


def test_a_fault_of_ours_says_nothing_of_the_network(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(spec: Any, lateness_ms: Any) -> Any:
        raise OSError(errno.EMFILE, "too many open files")

    loop = ProbeLoop(lambda: broken, lambda results: None, max_held=10)
    canaries, _now = asking(loop, monkeypatch, "http://127.0.0.1:1/")

    try:
        assert canaries.look(has_failures=True) is None
    finally:
        loop.stop(2)
    assert "too many open files" in caplog.text


def test_they_are_asked_when_checks_fail_and_rarely_else() -> None:
    answers, now = [True, True, False, False, True, True], [1_000.0]
    canaries = Canaries(["http://router/"], lambda urls: answers.pop(0), lambda: now[0])

    def asked(has_failures: Any, after_s: Any) -> Any:
        now[0] += after_s
        before = len(answers)
        canaries.look(has_failures=has_failures)
        return before - len(answers)

    assert asked(False, 0) == 1, "the first time"
    assert asked(False, 10) == 0, "all is well"
    assert asked(True, 0) == 1
    assert asked(True, 1) == 0, "a look that young is as good as another"
    assert asked(True, 2) == 1
    assert asked(False, 2) == 1, "the last word was bad"
    assert asked(False, 2) == 1
    assert asked(False, 10) == 0, "all is well again"


def test_what_they_say_travels_with_the_results() -> None:
    look = Canaries(["http://router/"], lambda urls: False, lambda: 1_000.0).look(has_failures=True)

    assert messages.look_of(messages.pack_results([make_result(0)], look)) == look
    assert messages.look_of(messages.pack_results([make_result(0)])) is None
    assert look is not None and look == replace(look, looked_at_ms=1_000_000)
