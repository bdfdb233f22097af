"""Every error of the API has one form, whichever component raised it."""

import json
import logging
from typing import Any

import pytest
from django.test import Client

from observability import errors
from observability.errors import ApiError

pytestmark = [pytest.mark.urls("observability.tests.api"), pytest.mark.django_db]
TRACE = "0af7651916cd43dd8448eb211c80319c"


def error_of(client: Client, how: str, **headers: str) -> tuple[int, dict[str, Any]]:
    response = client.get(f"/api/fail/{how}", headers=headers)
    assert response.headers["Content-Type"] == "application/json"
    assert "internal words" not in response.content.decode()
    return response.status_code, response.json()["error"]


def test_the_form_is_the_contract(client: Client, time_machine: Any) -> None:
    time_machine.move_to("2025-08-22T10:30:00Z", tick=False)

    response = client.get("/api/fail/incident", headers={"X-Trace-Id": TRACE})

    assert response.status_code == 404
    assert response.json() == {
        "success": False,
        "error": {
            "code": "INCIDENT_NOT_FOUND",
            "message": "No such incident: 7.",
            "details": {"incident_id": 7},
            "trace_id": TRACE,
            "timestamp": "2025-08-22T10:30:00Z",
        },
    }


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("missing", 404, "NOT_FOUND"),
        ("forbidden", 403, "PERMISSION_DENIED"),
        ("invalid", 422, "VALIDATION_FAILED"),
        ("unreadable", 400, "MALFORMED_REQUEST"),
        ("suspicious", 400, "MALFORMED_REQUEST"),
        ("bug", 500, "INTERNAL_ERROR"),
        ("database", 503, "DEPENDENCY_UNAVAILABLE"),
        ("busy", 429, "BUSY"),
    ],
)
def test_every_exception_has_a_status_and_a_code(client: Client, how: str, status: int, code: str) -> None:
    found, error = error_of(client, how)

    assert (found, error["code"]) == (status, code)
    assert error["message"]


def test_fields_that_are_wrong_are_named(client: Client) -> None:
    assert error_of(client, "invalid")[1]["details"] == {"problems": [{"field": "name", "message": "too long"}]}


def test_retry_after_stays(client: Client) -> None:
    assert client.get("/api/fail/busy").headers["Retry-After"] == "7"
    assert client.get("/api/fail/database").headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("method", "address", "headers", "status", "code"),
    [
        ("get", "/api/nowhere", {}, 404, "NOT_FOUND"),
        ("get", "/api/with-csrf", {}, 405, "METHOD_NOT_ALLOWED"),
        ("post", "/api/with-csrf", {}, 403, "PERMISSION_DENIED"),
        ("get", "/api/fine", {"Host": "evil.example"}, 400, "MALFORMED_REQUEST"),
        ("get", "/api/signed-in", {}, 401, "NOT_AUTHENTICATED"),
    ],
)
def test_errors_that_django_writes_itself_get_the_form_too(
    method: str, address: str, headers: dict[str, str], status: int, code: str
) -> None:
    response = Client(enforce_csrf_checks=True).generic(method.upper(), address, headers=headers)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    if status == 405:
        assert response.headers["Allow"] == "POST"


def test_too_large_a_body_is_413(client: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    response = client.post("/api/fail/body", b"x" * 11, content_type="text/plain")

    assert (response.status_code, response.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_bug_in_other_middleware_is_an_internal_error(client: Client, settings: Any) -> None:
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], "observability.tests.test_errors.broken_middleware"]
    client.raise_request_exception = False

    assert error_of(client, "missing")[1]["code"] == "INTERNAL_ERROR"


def broken_middleware(get_response: Any) -> Any:
    def middleware(request: Any) -> Any:
        raise ZeroDivisionError("internal words")

    return middleware


def test_who_prefers_rfc_9457_gets_it(client: Client) -> None:
    response = client.get("/api/fail/incident", headers={"Accept": "application/problem+json, application/json;q=0.5"})

    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert {name: problem[name] for name in ("type", "title", "status", "detail", "instance", "code")} == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "No such incident: 7.",
        "instance": "/api/fail/incident",
        "code": "INCIDENT_NOT_FOUND",
    }


@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "application/json, application/problem+json;q=0.1"])
def test_all_others_get_our_own(client: Client, accept: str) -> None:
    error_of(client, "incident", Accept=accept)


def test_words_are_in_the_callers_language(client: Client) -> None:
    assert error_of(client, "missing", **{"Accept-Language": "ko"})[1]["message"].endswith("없습니다.")


def test_secrets_are_masked(client: Client) -> None:
    assert "hunter2" not in json.dumps(error_of(client, "secret"))


def test_bug_is_logged_with_its_traceback_and_once(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    error_of(client, "bug")

    errors_logged = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.exc_info is not None and record.exc_info[0] for record in errors_logged] == [ZeroDivisionError]


def test_other_addresses_answer_as_ever(client: Client) -> None:
    client.raise_request_exception = False

    assert "text/html" in client.get("/page/fail/bug").headers["Content-Type"]
    assert "X-Trace-Id" not in client.get("/page/fail/missing").headers


def test_nearest_registered_class_decides() -> None:
    class Ours(ValueError): ...

    class Special(Ours): ...

    errors.register(Ours, lambda error: ApiError("OURS", str(error), status=409))

    assert errors.translate(Special("a")).code == "OURS"
    assert errors.translate(ValueError("a")).code == "INTERNAL_ERROR"
