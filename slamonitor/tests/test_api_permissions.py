"""Every operation of the API, tried by every role with every scope: who may do what is stated here."""

import json
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import tokens
from accounts.models import ApiToken
from accounts.permissions import Role, Scope
from accounts.tests.cast import Person
from incidents.maintenance.tests.factories import make_plan
from incidents.models import Finding, MaintenanceOccurrence, PostMortem, UpdateTemplate
from incidents.tests.factories import make_incident, make_update
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
REPORTERS = [Role.REPORTER.value, Role.ADMIN.value]
FAR = range(2**40, 2**40 + 3)  # ids that no sequence gives in a test
ONE, PLAN, TEMPLATE = "/services/payments", f"/maintenance_plans/{FAR[0]}", f"/update_templates/{FAR[0]}"
INCIDENT, DRAFT, RESOLVED = (f"/incidents/{id}" for id in FAR)
TO_COME, UNDER_WAY = (f"/maintenance/{id}" for id in FAR[:2])
UPDATE = {"status": "monitoring", "message": "Better."}
TEXT = {"name": "Begun", "message": "{title} since {since}."}
RACKS = {
    "title": "Racks",
    "services": ["payments"],
    "start": f"{timezone.now().year + 1}-06-01T02:00",
    "zone": "UTC",
    "duration_minutes": 60,
}
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
    "list_incidents": Operation("GET", "/incidents", ALL, "read", 200),
    "create_incident": Operation("POST", "/incidents", REPORTERS, "write", 201, {"title": "Payments fail"}),
    "read_incident": Operation("GET", INCIDENT, ALL, "read", 200),
    "change_incident": Operation("PATCH", INCIDENT, REPORTERS, "write", 200, {"title": "Cards fail"}),
    "publish_incident": Operation("POST", f"{DRAFT}/publish", REPORTERS, "write", 200),
    "dismiss_incident": Operation("POST", f"{DRAFT}/dismiss", REPORTERS, "write", 200),
    "acknowledge_incident": Operation("POST", f"{INCIDENT}/acknowledge", REPORTERS, "write", 200),
    "reopen_incident": Operation("POST", f"{RESOLVED}/reopen", REPORTERS, "write", 200, {"message": "Back."}),
    "list_updates": Operation("GET", f"{INCIDENT}/updates", ALL, "read", 200),
    "create_update": Operation("POST", f"{INCIDENT}/updates", REPORTERS, "write", 201, UPDATE),
    "correct_update": Operation(
        "PATCH", f"{INCIDENT}/updates/{FAR[0]}", REPORTERS, "write", 200, {"message": "A disk."}
    ),
    "publish_update": Operation("POST", f"{INCIDENT}/updates/{FAR[1]}/publish", REPORTERS, "write", 200),
    "withdraw_update": Operation("DELETE", f"{INCIDENT}/updates/{FAR[1]}", REPORTERS, "write", 204),
    "list_update_templates": Operation("GET", "/update_templates", ALL, "read", 200),
    "create_update_template": Operation("POST", "/update_templates", REPORTERS, "write", 201, TEXT),
    "read_update_template": Operation("GET", TEMPLATE, ALL, "read", 200),
    "replace_update_template": Operation("PUT", TEMPLATE, REPORTERS, "write", 200, TEXT, "*"),
    "delete_update_template": Operation("DELETE", TEMPLATE, REPORTERS, "write", 204),
    "fill_update_template": Operation("GET", f"{INCIDENT}/filled_template/{FAR[0]}", ALL, "read", 200),
    "read_post_mortem": Operation("GET", f"{RESOLVED}/post_mortem", ALL, "read", 200),
    "write_post_mortem": Operation(
        "PUT", f"{RESOLVED}/post_mortem", REPORTERS, "write", 200, {"summary": "A disk."}, "*"
    ),
    "publish_post_mortem": Operation("POST", f"{RESOLVED}/post_mortem/publish", REPORTERS, "write", 200),
    "list_findings": Operation("GET", "/findings", ALL, "read", 200),
    "refresh_findings": Operation("POST", "/findings/refresh", REPORTERS, "write", 200),
    "explain_finding": Operation(
        "POST", f"/findings/{FAR[0]}/explain", REPORTERS, "write", 204, {"explanation": "Ours."}
    ),
    "list_response_times": Operation("GET", "/response_times", ALL, "read", 200),
    "list_maintenance_plans": Operation("GET", "/maintenance_plans", ALL, "read", 200),
    "create_maintenance_plan": Operation(
        "POST",
        "/maintenance_plans",
        REPORTERS,
        "write",
        201,
        RACKS,
    ),
    "read_maintenance_plan": Operation("GET", PLAN, ALL, "read", 200),
    "change_maintenance_plan": Operation("PATCH", PLAN, REPORTERS, "write", 200, {"title": "Fans"}),
    "cancel_maintenance_plan": Operation("POST", f"{PLAN}/cancel", REPORTERS, "write", 200),
    "list_maintenance": Operation("GET", "/maintenance", ALL, "read", 200),
    "read_maintenance": Operation("GET", TO_COME, ALL, "read", 200),
    "extend_maintenance": Operation("POST", f"{UNDER_WAY}/extend", REPORTERS, "write", 200, {"minutes": 30}),
    "end_maintenance": Operation("POST", f"{UNDER_WAY}/end", REPORTERS, "write", 200),
    "skip_maintenance": Operation("POST", f"{TO_COME}/skip", REPORTERS, "write", 200),
    "list_maintenance_updates": Operation("GET", f"{TO_COME}/updates", ALL, "read", 200),
    "create_maintenance_update": Operation("POST", f"{TO_COME}/updates", REPORTERS, "write", 201, {"message": "Soon."}),
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
    service = make_service("payments", endpoint_url="http://127.0.0.1:9/")  # nobody answers there
    _make_incidents()
    _make_maintenance(service)
    return service


def _make_incidents() -> None:
    at = timezone.now() - timedelta(hours=1)
    incident = make_incident(id=FAR[0], started_at=at)
    make_incident(id=FAR[1], started_at=at, is_draft=True)
    resolved = make_incident(id=FAR[2], started_at=at, status="resolved", resolved_at=at)
    make_update(id=FAR[0], incident=incident, created_at=at)
    make_update(id=FAR[1], incident=incident, created_at=at, published_at=None, is_proposed=True)
    UpdateTemplate.objects.create(id=FAR[0], name="New", message="x")
    PostMortem.objects.create(incident=resolved, summary="A disk failed.")
    Finding.objects.create(id=FAR[0], kind="unmeasured", incident=incident, told_at=at, found_at=at)


def _make_maintenance(service: Service) -> None:
    now = timezone.now().replace(microsecond=0)
    plan = make_plan(service, id=FAR[0], now=now, starts_on=now.date() + timedelta(days=3))
    hour = timedelta(hours=1)
    for id, since, begun_at in ((FAR[0], now + 24 * hour, None), (FAR[1], now - hour, now - hour)):
        times = {"since": since, "until": since + 2 * hour, "begun_at": begun_at}
        MaintenanceOccurrence.objects.create(id=id, plan=plan, **times)


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
            with transaction.atomic():
                response = call(operation, {"authorization": f"Bearer {text}"})
                transaction.set_rollback(True)  # each begins with the same
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
