"""Every operation of the API, tried by every role with every scope: who may do what is stated here."""

import json
from typing import Any, NamedTuple

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import tokens
from accounts.models import ApiToken
from accounts.permissions import Role, Scope
from accounts.tests.cast import Person
from monitoring.models import Service
from monitoring.tests.factories import make_service
from slamonitor.api import api
from slamonitor.openapi import describe

pytestmark = pytest.mark.django_db
ROLES, SCOPES = Role.values, Scope.values


class Operation(NamedTuple):
    method: str
    path: str
    roles: list[str]
    scope: str  # the least
    status: int  # for those who may
    body: Any = None
    if_match: str | None = None


ALL, ADMINS = ROLES, [Role.ADMIN.value]
ONE = "/services/payments"
OPERATIONS = {
    "read_token": Operation("GET", "/token", ALL, "read", 200),
    "list_services": Operation("GET", "/services", ALL, "read", 200),
    "read_service": Operation("GET", ONE, ALL, "read", 200),
    "read_state": Operation("GET", f"{ONE}/state", ALL, "read", 200),
    "list_states": Operation("GET", "/states", ALL, "read", 200),
    "list_transitions": Operation("GET", "/transitions", ALL, "read", 200),
    "list_checks": Operation("GET", "/checks", ALL, "read", 200),
    "list_checks_of_service": Operation("GET", f"{ONE}/checks", ALL, "read", 200),
    "read_uptime": Operation("GET", f"{ONE}/uptime", ALL, "read", 200),
    "read_percentiles": Operation("GET", f"{ONE}/percentiles", ALL, "read", 200),
    "read_ledger": Operation("GET", f"{ONE}/ledger", ALL, "read", 200),
    "read_system_status": Operation("GET", "/system_status", ALL, "read", 200),
    "pause_service": Operation("POST", f"{ONE}/pause", ADMINS, "write", 200, {"reason": "deploying"}),
    "resume_service": Operation("POST", f"{ONE}/resume", ADMINS, "write", 200),
    "check_service_now": Operation("POST", f"{ONE}/check_now", ADMINS, "write", 200),
    "create_service": Operation(
        "POST", "/services", ADMINS, "admin", 201, {"id": "new", "name": "New", "endpoint_url": "https://new.example/"}
    ),
    "replace_service": Operation(
        "PUT", ONE, ADMINS, "admin", 200, {"name": "P", "endpoint_url": "https://p.example/"}, "*"
    ),
    "change_service": Operation("PATCH", ONE, ADMINS, "admin", 200, {"description": "Cards and transfers"}),
    "archive_service": Operation("DELETE", ONE, ADMINS, "admin", 204),
    "restore_service": Operation("POST", f"{ONE}/restore", ADMINS, "admin", 200),
}


def call(operation: Operation, headers: dict[str, str]) -> Any:
    return Client().generic(
        operation.method,
        f"/api/v1{operation.path}",
        json.dumps(operation.body) if operation.body else "",
        content_type="application/json",
        headers={**headers, **({"if-match": operation.if_match} if operation.if_match else {})},
    )


def expected(operation: Operation, role: str, scope: str) -> tuple[int, str | None]:
    if role not in operation.roles:
        return 403, "ROLE_INSUFFICIENT"
    if SCOPES.index(scope) < SCOPES.index(operation.scope):
        return 403, "SCOPE_INSUFFICIENT"
    return operation.status, None


@pytest.fixture(autouse=True)
def service(settings: Settings) -> Service:
    settings.API_RATE_LIMIT = 0
    return make_service("payments", endpoint_url="http://127.0.0.1:9/")  # nobody answers there


def test_every_operation_is_in_the_table() -> None:
    paths = describe(api)["paths"].values()

    assert {each["operationId"] for methods in paths for each in methods.values()} == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_who_may_do_what(cast: dict[str, Person], name: str) -> None:
    operation = OPERATIONS[name]
    found = {}
    for role in ROLES:
        for scope in SCOPES:
            _token, text = tokens.make(cast[role].user, "test", "read", days=1, now=timezone.now())
            ApiToken.objects.update(scope=scope)  # also those that nobody could make
            Service.objects.filter(id="new").delete()
            Service.objects.update(archived_at=None)
            response = call(operation, {"authorization": f"Bearer {text}"})
            code = response.json()["error"]["code"] if response.status_code >= 400 else None
            found[role, scope] = response.status_code, code

    assert found == {(role, scope): expected(operation, role, scope) for role in ROLES for scope in SCOPES}


@pytest.mark.parametrize("name", OPERATIONS)
def test_strangers_may_nothing(name: str) -> None:
    response = call(OPERATIONS[name], {})

    assert (response.status_code, response.json()["error"]["code"]) == (401, "NOT_AUTHENTICATED")


OF_ITS_OWN = {"X-Processing-Time", "Server-Timing", "X-Trace-Id", "traceparent"}  # of each request
READS = [name for name, operation in OPERATIONS.items() if operation.method == "GET"]


@pytest.mark.parametrize("name", READS)
def test_head_is_get_without_the_body(admin: Person, name: str) -> None:
    _token, text = tokens.make(admin.user, "test", "read", days=1, now=timezone.now())
    credentials = {"authorization": f"Bearer {text}"}

    with time_machine.travel(timezone.now(), tick=False):
        call(OPERATIONS[name], credentials)  # the first use of a token is shown by the next
        got, head = (call(OPERATIONS[name]._replace(method=method), credentials) for method in ("GET", "HEAD"))

    assert (head.status_code, head.content) == (200, b"")
    got_headers, head_headers = (
        {name: value for name, value in answer.headers.items() if name not in OF_ITS_OWN} for answer in (got, head)
    )
    assert head_headers == got_headers and int(head_headers["Content-Length"]) == len(got.content)


def test_head_is_offered_where_get_is(admin: Person) -> None:
    allowed = [call(OPERATIONS[name]._replace(method="TRACE"), {}).headers["Allow"] for name in OPERATIONS]

    assert all(("GET" in methods) == ("HEAD" in methods) for methods in allowed)
    assert call(OPERATIONS["pause_service"]._replace(method="HEAD"), {}).status_code == 405


def test_the_description_says_who_may(admin: Person) -> None:
    paths = describe(api)["paths"]

    assert (
        "with the scope `admin` or more, of a user with the role admin"
        in paths["/api/v1/services"]["post"]["description"]
    )
    assert "with the scope `read` or more, of any user" in paths["/api/v1/states"]["get"]["description"]
