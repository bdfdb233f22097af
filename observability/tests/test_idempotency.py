"""The same request again gets the stored response, and takes effect once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from database.models import ChangeCounter
from observability import idempotency
from observability.models import IdempotentRequest
from observability.tests import api

pytestmark = [pytest.mark.urls("observability.tests.api"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    def scope(request: HttpRequest) -> str | None:
        return request.headers.get("Authorization")

    monkeypatch.setattr(idempotency, "_scope", scope)


def send(
    key: str = "k", *, body: Any = None, status: int = 201, who: str = "me", method: str = "POST", query: str = ""
) -> Any:
    headers = {"Idempotency-Key": key, "Authorization": who}
    return Client().generic(method, f"/api/create/{status}{query}", body or b"{}", headers=headers)


def times_done() -> int:
    return sum(ChangeCounter.objects.filter(topic="created").values_list("value", flat=True))


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_again_is_answered_from_what_is_stored(method: str) -> None:
    first, again = send(method=method), send(method=method)

    assert times_done() == 1
    assert (first.status_code, again.status_code) == (201, 200), "what was created then is there now"
    assert again.content == first.content
    assert (again.headers["Location"], again.headers["Content-Type"]) == ("/api/created/1", "application/json")
    assert again.headers["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first.headers
    assert again.headers["X-Trace-Id"] != first.headers["X-Trace-Id"]


@pytest.mark.parametrize("other", [{"body": b"{} "}, {"query": "?a=1"}, {"status": 200}, {"method": "PUT"}])
def test_another_request_with_the_same_key_is_refused(other: dict[str, Any]) -> None:
    send()

    assert code_of(send(**other)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert times_done() == 1


def test_keys_of_others_are_other_keys() -> None:
    assert [send(who=who).status_code for who in ("me", "you")] == [201, 201]
    assert times_done() == 2


def test_without_known_sender_or_key_nothing_is_kept() -> None:
    for _ in range(2):
        assert Client().post("/api/create/201", headers={"Idempotency-Key": "k"}).status_code == 201
        assert Client().post("/api/create/201", headers={"Authorization": "me"}).status_code == 201

    assert times_done() == 4 and not IdempotentRequest.objects.exists()


def test_key_counts_only_for_methods_that_change() -> None:
    assert [send(method="DELETE", status=200).status_code for _ in range(2)] == [200, 200]
    assert times_done() == 2


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_error_takes_its_work_back_and_stays(status: int) -> None:
    first, again = send(status=status), send(status=status)

    assert times_done() == 0
    assert again.content == first.content and again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("status", [401, 403, 412, 413, 428, 429, 500, 503])
def test_error_that_may_pass_is_not_stored(status: int) -> None:
    assert [send(status=status).headers.get("Idempotent-Replayed") for _ in range(2)] == [None, None]
    assert times_done() == 0 and not IdempotentRequest.objects.exists()


@pytest.mark.parametrize("key", ["", " ", "with space", "x" * 256, "tab\t", "열쇠"])
def test_unusable_key_is_named(key: str) -> None:
    assert code_of(send(key)) == (400, "IDEMPOTENCY_KEY_INVALID")


def test_key_is_free_again_after_an_hour(time_machine: Any) -> None:
    time_machine.move_to("2025-03-10T10:00:00Z", tick=False)
    send()
    time_machine.move_to("2025-03-10T11:00:01Z", tick=False)

    assert send(body=b"[]").status_code == 201
    assert send(body=b"[]").status_code == 200
    assert times_done() == 2


def test_sweep_deletes_what_has_expired() -> None:
    send("a"), send("b")
    later = timezone.now() + idempotency.RESULT_KEPT_FOR

    IdempotentRequest.objects.filter(key_hash=idempotency._hash("me", "a")).update(
        expires_at=later + timedelta(hours=1)
    )

    assert (idempotency.sweep(timezone.now()), idempotency.sweep(later)) == (0, 1)
    assert IdempotentRequest.objects.count() == 1


def test_neither_key_nor_body_nor_result_can_be_read_from_the_table() -> None:
    send("planted-key", body=b'{"password": "hunter2-planted"}', who="Bearer planted-token")

    with connection.cursor() as cursor:
        cursor.execute("SELECT key_hash || fingerprint || sealed_result FROM idempotent_requests")
        stored = bytes(cursor.fetchone()[0])
    assert b"planted" not in stored and b"hunter2" not in stored


@pytest.fixture
def held() -> Iterator[None]:
    """Block the view before its response until the test releases it."""
    api.at_work.clear()
    api.may_answer.clear()
    yield
    api.may_answer.set()


def in_thread(act: Any) -> Any:
    try:
        return act()
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_while_the_first_is_still_working_the_second_is_told_to_wait(held: None) -> None:
    with ThreadPoolExecutor() as threads:
        first = threads.submit(in_thread, send)
        assert api.at_work.wait(30)

        second = send()
        api.may_answer.set()
        assert first.result(30).status_code == 201

    assert code_of(second) == (409, "IDEMPOTENCY_KEY_IN_USE")
    assert second.headers["Retry-After"] == "1"
    assert send().status_code == 200 and times_done() == 1


@pytest.mark.django_db(transaction=True)
def test_many_at_the_same_moment_do_the_work_once() -> None:
    together = threading.Barrier(6)

    def insist() -> int:
        together.wait(30)
        while (response := send()).status_code == 409:
            pass
        return int(response.status_code)

    with ThreadPoolExecutor(6) as threads:
        statuses = sorted(each.result(60) for each in [threads.submit(in_thread, insist) for _ in range(6)])

    assert statuses == [200] * 5 + [201]
    assert times_done() == 1


@pytest.mark.django_db(transaction=True)
def test_worker_killed_before_the_commit_leaves_neither_key_nor_effect(held: None) -> None:
    """The server ends the connection in the middle, as it does when its client is killed."""
    with ThreadPoolExecutor() as threads:
        first = threads.submit(in_thread, send)
        assert api.at_work.wait(30)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND state = 'idle in transaction' AND pid <> pg_backend_pid()"
            )
        api.may_answer.set()
        assert code_of(first.result(30)) == (503, "DEPENDENCY_UNAVAILABLE")

    assert times_done() == 0
    assert send().status_code == 201 and times_done() == 1
