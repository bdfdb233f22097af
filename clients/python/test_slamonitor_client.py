"""The client against a real server: its requests, and how it reads responses."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from slamonitor_client import ApiFailure, Client

ERROR = {"code": "NAME_TAKEN", "message": "That name is taken.", "details": {"name": "a"}, "trace_id": "f" * 32}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.answers: list[tuple[int, Any, dict[str, str]]] = []
        self.seen: list[dict[str, str]] = []
        self.paths: list[str] = []


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.seen.append(dict(self.headers))
        self.server.paths.append(self.path)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body, headers = self.server.answers.pop(0)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PATCH = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(server: Server, waits: list[float]) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{server.server_port}", token="slm_x", wait=waits.append) as client:
        yield client


def busy(**headers: str) -> tuple[int, Any, dict[str, str]]:
    return 503, {"error": {**ERROR, "code": "DEPENDENCY_UNAVAILABLE"}}, headers


def test_result_comes_back_and_the_trace_goes_out(server: Server, client: Client) -> None:
    server.answers = [(200, {"a": 1}, {})]

    assert client.get("/api/v1/services") == {"a": 1}
    seen = server.seen[0]
    assert seen["Authorization"] == "Bearer slm_x" and len(seen["traceparent"]) == 55


def test_a_list_is_read_page_after_page(server: Server, client: Client) -> None:
    server.answers = [
        (200, {"items": [1, 2], "next_cursor": "abc"}, {}),
        (200, {"items": [3], "next_cursor": None}, {}),
    ]

    assert list(client.pages("/api/v1/incidents?stage=draft")) == [1, 2, 3]
    assert server.paths == ["/api/v1/incidents?stage=draft", "/api/v1/incidents?stage=draft&cursor=abc"]


def test_a_change_names_the_version_that_was_read(server: Server, client: Client) -> None:
    server.answers = [(200, {"id": 7}, {"ETag": '"a1"'}), (200, {}, {})]

    found, tag = client.get_with_tag("/api/v1/maintenance_plans/7")
    client.send("PATCH", "/api/v1/maintenance_plans/7", {"title": "Disks"}, tag=tag)

    assert found == {"id": 7}
    assert [seen.get("If-Match") for seen in server.seen] == [None, '"a1"']


def test_error_is_typed_and_fit_for_people(server: Server, client: Client) -> None:
    server.answers = [(409, {"success": False, "error": ERROR}, {})]

    with pytest.raises(ApiFailure) as raised:
        client.send("POST", "/api/v1/services", {})

    failure = raised.value
    assert (failure.code, failure.status, failure.details) == ("NAME_TAKEN", 409, {"name": "a"})
    assert not failure.is_retryable
    assert str(failure) == f"That name is taken. (NAME_TAKEN, trace {'f' * 32})"


def test_same_key_and_trace_are_used_until_it_succeeds(server: Server, client: Client, waits: list[float]) -> None:
    server.answers = [busy(**{"Retry-After": "7"}), busy(), (201, {}, {}), (201, {}, {})]
    request = client.request("POST", "/api/v1/services", {})

    request.send()
    request.send()

    keys = [seen["Idempotency-Key"] for seen in server.seen]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert len({seen["traceparent"] for seen in server.seen[:3]}) == 1
    assert waits == [7.0, 1.0]


def test_it_gives_up_and_may_be_sent_again_with_the_same_key(server: Server, client: Client) -> None:
    server.answers = [busy()] * 4 + [(200, {}, {})]
    request = client.request("POST", "/api/v1/services", {})

    with pytest.raises(ApiFailure):
        request.send()
    request.send()

    assert len({seen["Idempotency-Key"] for seen in server.seen}) == 1 and len(server.seen) == 5


def test_answer_of_something_in_between_is_no_crash(server: Server, client: Client) -> None:
    server.answers = [(404, b"<html>nginx", {})]

    with pytest.raises(ApiFailure, match="The monitor answered 404"):
        client.get("/api/v1/services")


def test_server_that_is_away_is_retryable(waits: list[float]) -> None:
    with Client("http://127.0.0.1:9", wait=waits.append) as client, pytest.raises(ApiFailure) as raised:
        client.get("/")

    assert raised.value.code == "UNREACHABLE" and raised.value.is_retryable and len(waits) == 3
