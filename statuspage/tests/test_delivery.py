"""How the page is delivered: caches, conditional requests, encodings, languages, security headers."""

import gzip
import re
from typing import Any

import pytest
import time_machine
from django.test import Client, override_settings

from monitoring.rules.state import Status
from observability import metrics
from statuspage import front
from statuspage.front import front_door
from statuspage.middleware import POLICY
from statuspage.tests.cast import NOW, make_service
from statuspage.visits import Visits


def test_page_is_in_the_browsers_language(visit: Any) -> None:
    make_service("결제", Status.DOWN)

    response = visit(accept_language="ko-KR,ko;q=0.9,en;q=0.8")

    assert "13:25부터 결제 서비스가 중단되었습니다" in response.content.decode()
    assert "(1시간 0분)" in response.content.decode()
    assert '<html lang="ko">' in response.content.decode()
    assert response.headers["Content-Language"] == "ko"


@pytest.mark.parametrize("accept", ["", "*", "fr, de;q=0.5", "en-GB"])
def test_other_visitors_read_english(visit: Any, accept: str) -> None:
    assert "Nothing is monitored yet" in visit(accept_language=accept).content.decode()


def test_switch_is_remembered_and_beats_the_browser(visit: Any, client: Client) -> None:
    chosen = visit("/?lang=ko")

    assert chosen.status_code == 302 and chosen.headers["Location"] == "/"
    assert chosen.headers["Cache-Control"] == "no-store"
    assert '<html lang="ko">' in visit(accept_language="en").content.decode()


def test_unknown_language_is_ignored(visit: Any) -> None:
    response = visit("/?lang=tlh")

    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers


def test_shared_caches_may_keep_the_page_for_a_second(visit: Any) -> None:
    response = visit()

    assert response.headers["Cache-Control"].startswith("public, max-age=1")
    assert {"Accept-Language", "Cookie", "Accept-Encoding"} <= set(response.headers["Vary"].split(", "))
    assert not response.cookies


def test_unchanged_page_is_not_sent_again(visit: Any) -> None:
    tag = visit().headers["ETag"]

    response = visit(if_none_match=tag)

    assert response.status_code == 304
    assert response.content == b""
    assert response.headers["ETag"] == tag


def test_other_languages_have_another_tag(visit: Any) -> None:
    assert visit().headers["ETag"] != visit(accept_language="ko").headers["ETag"]


def test_page_is_compressed_for_those_who_ask(visit: Any) -> None:
    plain, packed = visit(), visit(accept_encoding="gzip, br")

    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(packed.content)
    assert gzip.decompress(packed.content) == plain.content


@pytest.mark.parametrize("path", ["/", "/no/such/page"])
def test_nothing_is_inline(visit: Any, path: str) -> None:
    make_service("Payments", Status.DOWN)
    response = visit(path)
    html = response.content.decode()

    assert response.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert not re.search(r"<[^>]*\s(style|on\w+)=", html)
    assert "<style" not in html
    assert re.findall(r"<script(?![^>]* src=)", html) == []


def test_strangers_see_the_page_and_writing_is_refused(visit: Any, client: Client) -> None:
    assert visit().status_code == 200
    assert client.post("/").status_code == 405


def test_missing_page_has_our_look(visit: Any) -> None:
    response = visit("/no/such/page", accept_language="ko")

    assert response.status_code == 404
    assert "페이지를 찾을 수 없습니다" in response.content.decode()


def test_fault_of_ours_has_our_look(visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(front, "reply", broken)
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    response = Client(raise_request_exception=False).get("/", headers={"X-Trace-Id": trace_id})

    assert response.status_code == 500
    assert "Something went wrong on our side" in response.content.decode()
    assert f"quote this id: <code>{trace_id}</code>" in response.content.decode()


class Door:
    """The front door with an application behind it that only records that it was called."""

    def __init__(self) -> None:
        self.answer = front_door(self.behind)
        self.status = ""
        self.headers: dict[str, Any] = {}

    def behind(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("X-Behind", "1")])
        return [b"behind"]

    def ask(self, path: str = "/", method: str = "GET", **environ: str) -> bytes:
        environ = {"HTTP_HOST": "testserver", "PATH_INFO": path, "REQUEST_METHOD": method, **environ}
        with time_machine.travel(NOW, tick=False):
            return b"".join(self.answer(environ, self.start))

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, dict(headers)


@override_settings(ALLOWED_HOSTS=["testserver"])
def test_front_door_answers_as_django_does(visit: Any) -> None:
    response, door = visit(), Door()

    body = door.ask()

    assert (door.status, body) == ("200 OK", response.content)
    assert door.headers == dict(response.headers)


def test_front_door_sends_no_body_with_head(visit: Any) -> None:
    visit()
    door = Door()

    assert door.ask(method="HEAD") == b""
    assert int(door.headers["Content-Length"]) > 0


def counted(method: str, status: str, language: str) -> tuple[float, ...]:
    """Return how often the metrics count visits: as visits, among the requests, and among their durations."""
    wanted: set[tuple[Any, ...]] = {
        ("slamonitor_page_visits_total", ("language", language), ("status", status)),
        ("slamonitor_http_requests_total", ("method", method), ("route", "statuspage:page"), ("status", status)),
        ("slamonitor_http_request_duration_seconds_count", ("method", method), ("route", "statuspage:page")),
    }
    found = {
        sample.name: sample.value
        for family in metrics._counted()
        for sample in family.samples
        if (sample.name, *sorted(sample.labels.items())) in wanted
    }
    return tuple(found.get(name, 0.0) for name, *_labels in sorted(wanted, reverse=True))


@override_settings(ALLOWED_HOSTS=["testserver"])
@pytest.mark.parametrize(
    ("method", "headers", "kind"),
    [
        ("GET", {}, ("200", "en")),
        ("HEAD", {"HTTP_ACCEPT_LANGUAGE": "ko"}, ("200", "ko")),
        ("GET", {"HTTP_IF_NONE_MATCH": "its own"}, ("304", "en")),
    ],
)
def test_visits_are_counted_though_nothing_behind_sees_them(
    visit: Any, monkeypatch: pytest.MonkeyPatch, method: str, headers: Any, kind: Any
) -> None:
    monkeypatch.setattr(front, "visits", Visits())
    if "HTTP_IF_NONE_MATCH" in headers:
        headers = {"HTTP_IF_NONE_MATCH": visit().headers["ETag"]}
    visit()
    before = counted(method, *kind)

    Door().ask(method=method, **headers)

    assert counted(method, *kind) == tuple(number + 1 for number in before)


def test_many_visits_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    visits, kind = Visits(), ("GET", "200", "en")
    before = counted(*kind)

    visits.note(kind, began_s=1000.0, now_s=1000.00002)
    for number in range(500):
        visits.note(kind, began_s=1000.05, now_s=1000.05 + number * 1e-5)
    assert counted(*kind)[0] == before[0] + 1, "the others wait for their tenth of a second"
    visits.note(kind, began_s=1000.2, now_s=1000.2)

    assert counted(*kind) == tuple(number + 502 for number in before)


@pytest.mark.parametrize(
    "environ",
    [
        {"path": "/health"},
        {"method": "POST"},
        {"QUERY_STRING": "lang=ko"},
        {"HTTP_HOST": "elsewhere.example"},
        {"HTTP_HOST": ""},
    ],
)
def test_front_door_leaves_everything_else_to_django(visit: Any, environ: Any) -> None:
    visit()

    assert Door().ask(**environ) == b"behind"
