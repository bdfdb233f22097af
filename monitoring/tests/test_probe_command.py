import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from monitoring.models import Transition, WatchServerLog
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db


class Target(BaseHTTPRequestHandler):
    """Answers with the status that the path names, and redirects from /moved to /200."""

    def do_GET(self) -> None:
        if self.path == "/odd":
            self.wfile.write(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n")
            return
        status = 302 if self.path == "/moved" else int(self.path[1:])
        self.send_response(status)
        self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Target) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_phase_of_a_good_check_is_printed_and_nothing_stored(
    target: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_service(endpoint_url=f"{target}/200")

    call_command("probe", "payments")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "OK  payments  answered in full"
    assert lines[1].split() == ["status", "DNS", "connect", "TLS", "first", "byte", "total", "(times", "in", "ms)"]
    assert re.fullmatch(rf"  1 +200 +\d+\.\d +\d+\.\d +– +\d+\.\d +\d+\.\d  GET {target}/200", lines[2])
    assert not WatchServerLog.objects.exists() and not Transition.objects.exists()


def test_what_was_forgiven_is_printed(target: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_service(endpoint_url=f"{target}/odd")

    call_command("probe", "payments")

    assert capsys.readouterr().out.startswith("OK  payments  forgiven: lines that end in LF alone\n")


def test_each_redirect_has_a_line_and_they_add_up_in_another(target: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_service(endpoint_url=f"{target}/moved")

    call_command("probe", "payments")

    _verdict, _headings, first, second, total, *_facts = capsys.readouterr().out.splitlines()
    assert (
        first.split()[:2] == ["1", "302"] and second.split()[:2] == ["2", "200"] and total.split()[:2] == ["all", "200"]
    )


def test_a_bad_check_ends_with_exit_status_1_and_says_why(target: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_service(endpoint_url=f"{target}/503")

    with pytest.raises(SystemExit) as ended:
        call_command("probe", "payments")

    out = capsys.readouterr().out
    assert ended.value.code == 1
    assert out.startswith("BAD  payments  answered 503 Service Unavailable\n")
    assert re.search(r"  error type +http_error\n", out)


def test_the_addresses_of_a_name_are_shown(target: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_service(endpoint_url=f"{target}/200".replace("127.0.0.1", "localhost"))

    call_command("probe", "payments")

    assert re.search(r"  localhost is +.*127\.0\.0\.1", capsys.readouterr().out)


def test_a_name_without_address_is_told_before_any_phase(capsys: pytest.CaptureFixture[str]) -> None:
    make_service(endpoint_url="http://nowhere.invalid/")

    with pytest.raises(SystemExit):
        call_command("probe", "payments")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "BAD  payments  no such host: nowhere.invalid"
    assert re.match(r"  1 +– +– +– +– +– +\d+\.\d  GET http://nowhere.invalid/", lines[2])


def test_an_unknown_id_is_answered_with_near_ones() -> None:
    make_service()

    with pytest.raises(CommandError, match=r"There is no service 'paymnts'. Did you mean payments\?"):
        call_command("probe", "paymnts")


def test_without_a_near_one_the_known_ids_are_listed() -> None:
    with pytest.raises(CommandError, match="There are no services yet"):
        call_command("probe", "x")
    make_service()

    with pytest.raises(CommandError, match=r"Available: payments\."):
        call_command("probe", "x")
