"""A check on request shows remarks, the expiry of certificates, and why there is no verdict."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import trustme
from django.core.management import call_command
from pytest_django import Settings

from accounts.tests.cast import Person
from monitoring.api.tests.api_client import Program, error_of
from monitoring.models import WatchServerLog
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db
EXPIRES = datetime(2100, 3, 1, tzinfo=UTC)
CHECK_NOW = "/admin/monitoring/service/payments/check-now/"


class Target(BaseHTTPRequestHandler):
    """Answers with the status that the first part of the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Target) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def secured() -> Iterator[int]:
    """Return the port of an old device: a weak cipher suite, and a certificate for another name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = trustme.CA().issue_cert("a.example", not_after=EXPIRES, key_type=trustme.KeyType.RSA)
    certificate.configure_cert(context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")
    with serving(context) as port:
        yield port


@pytest.fixture
def program(admin: Person) -> Program:
    return Program.of(admin)


WEAK = "weak TLS: AES128-SHA with TLS 1.2, which modern security would refuse"
OTHER = "not verified: TLS certificate is for a.example, not localhost"


def old_device(port: int, **settings: Any) -> None:
    url = f"https://localhost:{port}/200"
    make_service(endpoint_url=url, check_settings={"verify_tls": False, **settings})


def test_admin_shows_remarks_and_certificates(admin: Person, secured: int) -> None:
    old_device(secured)

    page = admin.client.post(CHECK_NOW).content.decode()

    assert f"{WEAK}; {OTHER}" in page
    assert "Certificate expires on 2100-03-01; days left: " in page


def test_admin_shows_remarks_of_a_slow_check_apart(admin: Person, secured: int) -> None:
    old_device(secured, cert_days=3_650)
    make_service("soon", endpoint_url=f"https://localhost:{secured}/404", check_settings={"verify_tls": False})

    page = admin.client.post(CHECK_NOW.replace("payments", "soon")).content.decode()

    assert "answered 404" in page
    assert f'Remarks: <span class="admin-break">{WEAK}; {OTHER}</span>' in page


def test_api_has_them_as_fields(program: Program, settings: Settings, secured: int) -> None:
    settings.API_RATE_LIMIT = 0
    old_device(secured)

    found = program.post("services/payments/check_now").json()

    assert (found["verdict"], found["remarks"]) == ("ok", [WEAK, OTHER])
    assert found["requests"][0]["certificate_expires_at"] == "2100-03-01T00:00:00Z"


def test_command_prints_them(secured: int, capsys: pytest.CaptureFixture[str]) -> None:
    old_device(secured)

    call_command("probe", "payments")

    printed = capsys.readouterr().out
    assert printed.startswith(f"OK  payments  {WEAK}; {OTHER}\n")
    assert "certificate 1  expires on 2100-03-01, days left: " in printed


def test_registry_that_cannot_be_asked_is_unknown_at_every_door(
    admin: Person, program: Program, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.API_RATE_LIMIT = 0
    with serving() as port:
        server = {"rdap_server": f"http://127.0.0.1:{port}/503/"}
        make_service(kind="domain", endpoint_url="domain://example.com", check_settings=server)
        page = admin.client.post(CHECK_NOW).content.decode()
        answer = program.post("services/payments/check_now")
        with pytest.raises(SystemExit) as ended:
            call_command("probe", "payments")

    words = "RDAP server 127.0.0.1 could not be asked: it answered 503"
    assert words in page and "the time counts as unknown" in page
    assert error_of(answer) == (409, "NOT_KNOWN")
    assert ended.value.code == 2
    assert capsys.readouterr().out.startswith(f"NOT KNOWN  payments  {words}\n")
    assert not WatchServerLog.objects.exists()
