"""A check made for somebody who waits."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from django.core.management import call_command

from accounts.tests.cast import Person
from monitoring.api.tests.api_client import Program
from monitoring.models import Transition, WatchServerLog
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db


class Target(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/moved": 302, "/bad": 500, "/emoji": 302}.get(self.path, 200))
        self.send_header("Location", "http://xn--53h.localhost:1/" if self.path == "/emoji" else "/ok")
        self.send_header("Content-Length", "0")
        if self.path == "/odd":
            self.send_header("X-Odd ", "a blank before the colon")
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


def test_every_hop_is_shown_with_its_phases_and_nothing_is_stored(admin: Person, target: Any) -> None:
    make_service(endpoint_url=f"{target}/moved")

    page = admin.client.post("/admin/monitoring/service/payments/check-now/").content.decode()

    assert f"GET {target}/moved" in page
    assert f"GET {target}/ok" in page
    assert page.count('class="admin-phases"') == 3, "two hops and the whole"
    assert not WatchServerLog.objects.exists()
    assert not Transition.objects.exists()


def test_a_failure_is_said_in_words(admin: Person, target: Any) -> None:
    make_service(endpoint_url=f"{target}/bad")

    page = admin.client.post("/admin/monitoring/service/payments/check-now/").content.decode()

    assert "answered 500 Internal Server Error" in page


def test_another_place_is_connected_to_and_shown(admin: Person, target: Any) -> None:
    settings = {"connect_to": target.removeprefix("http://").replace("127.0.0.1", "localhost"), "addresses": "all"}
    make_service(endpoint_url="http://payments.test/ok", check_settings=settings).full_clean()

    page = admin.client.post("/admin/monitoring/service/payments/check-now/").content.decode()

    assert (
        "GET http://payments.test/ok" in page and "<dt>localhost</dt>" in page and "<dt>payments.test</dt>" not in page
    )


EMOJI = ("http://☕.localhost:1/", "http://xn--53h.localhost:1/", "http://xn--a.localhost:1/", "/emoji")


@pytest.mark.parametrize("url", EMOJI)
def test_names_that_idna_refuses_are_checked_everywhere(
    url: str, admin: Person, target: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_service(endpoint_url=url if url.startswith("http") else target + url).full_clean()

    page = admin.client.post("/admin/monitoring/service/payments/check-now/").content.decode()
    answer = Program.of(admin).post("services/payments/check_now").json()
    with pytest.raises(SystemExit):
        call_command("probe", "payments")

    for said in (page, str(answer), capsys.readouterr().out):
        assert "none of 2 addresses accepts a connection" in said and "127.0.0.1" in said


def test_what_was_forgiven_is_said_in_the_readers_language(admin: Person, target: Any) -> None:
    make_service(endpoint_url=f"{target}/odd")

    def page(language: str) -> str:
        path = "/admin/monitoring/service/payments/check-now/"
        return admin.client.post(path, headers={"accept-language": language}).content.decode()

    assert "forgiven: a blank before the colon of a header" in page("en")
    assert "허용함: 헤더의 콜론 앞 공백" in page("ko")


def test_a_heartbeat_is_not_probed(admin: Person) -> None:
    make_service(kind="heartbeat", endpoint_url=None, check_settings={"period": 60})

    page = admin.client.post("/admin/monitoring/service/payments/check-now/").content.decode()

    assert "it reports to us" in page


def test_only_admins_may_check(reporter: Person, viewer: Person, target: Any) -> None:
    make_service(endpoint_url=f"{target}/ok")

    for person in (reporter, viewer):
        assert person.client.post("/admin/monitoring/service/payments/check-now/").status_code == 403


def test_an_archived_service_is_not_found(admin: Person) -> None:
    assert admin.client.post("/admin/monitoring/service/payments/check-now/").status_code == 404
