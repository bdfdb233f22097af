"""Every address, tried by everybody: who may enter is stated here, and an address that is not stated fails."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken
from accounts.tests.cast import Person
from incidents.maintenance.tests.factories import make_plan
from incidents.models import UpdateTemplate
from incidents.tests.factories import make_incident, make_update
from monitoring.models import AccountingPolicy, MaintenanceWindow, Restatement
from monitoring.tests.factories import make_service

# Status for a stranger, a viewer, a reporter and an admin, who open the address (GET).
ALL = (200, 200, 200, 200)
SIGNED_IN = (302, 200, 200, 200)
REPORTERS = (302, 403, 200, 200)
ADMINS = (302, 403, 403, 200)
MISSING = (302, 404, 404, 404)
MISSING_FOR_ALL = (404, 404, 404, 404)
BY_FORM = (405, 405, 405, 405)
BY_TOKEN = (401, 401, 401, 401)  # being signed in is not enough: test_api_permissions.py
OWN = (302, 200, 302, 200)  # a viewer's: others are led back, but for admins

NOBODY = (302, 403, 403, 403)
BY_FORM_SIGNED_IN = (302, 405, 405, 405)


def model_addresses(
    model: str, id: str, *, see: tuple[int, ...], edit: tuple[int, ...]
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the addresses of a model in the admin, where hardly anything is ever deleted."""
    base = f"admin/{model}/"
    moved = tuple(302 for _status in see)  # to the address with change/
    return {
        base: (f"/{base}", see),
        f"{base}add/": (f"/{base}add/", edit),
        f"{base}<path:object_id>/change/": (f"/{base}{id}/change/", see),
        f"{base}<path:object_id>/history/": (f"/{base}{id}/history/", see),
        f"{base}<path:object_id>/delete/": (f"/{base}{id}/delete/", NOBODY),
        f"{base}<path:object_id>/": (f"/{base}{id}/", moved),
    }


EXPECTED: dict[str, tuple[str, tuple[int, ...]]] = {
    # route: an address of it, and the statuses
    "": ("/", ALL),
    "robots.txt": ("/robots.txt", ALL),
    "services/<slug:service_id>/ledger": ("/services/payments/ledger", ALL),
    "services/<slug:service_id>/ledger.csv": ("/services/payments/ledger.csv", ALL),
    "services/<slug:service_id>/ledger.json": ("/services/payments/ledger.json", ALL),
    "policies/<str:name>/<int:version>": ("/policies/standard/1", ALL),
    "assets/<slug:version>/<str:name>": ("/assets/0/none.css", MISSING_FOR_ALL),
    "health": ("/health", ALL),
    "livez": ("/livez", ALL),
    "readyz": ("/readyz", ALL),
    "metrics": ("/metrics", ALL),
    "api/browser_errors": ("/api/browser_errors", BY_FORM),
    **{
        f"{base}/<str:token>{rest}": (f"/{base}/guessed{rest.replace('<exit_code:exit_code>', '1')}", MISSING_FOR_ALL)
        for base in ("heartbeat", "ping")
        for rest in ("", "/", "/start", "/fail", "/log", "/<exit_code:exit_code>")
    },
    "api/push/<str:token>": ("/api/push/guessed", MISSING_FOR_ALL),
    "api/push/<str:token>/": ("/api/push/guessed/", MISSING_FOR_ALL),
    "language": ("/language", (302, 302, 302, 302)),
    "admin/": ("/admin/", SIGNED_IN),
    "admin/login/": ("/admin/login/", (200, 302, 302, 302)),
    "admin/logout/": ("/admin/logout/", (302, 405, 405, 405)),
    "admin/password_change/": ("/admin/password_change/", SIGNED_IN),
    "admin/password_change/done/": ("/admin/password_change/done/", SIGNED_IN),
    "admin/autocomplete/": ("/admin/autocomplete/", (302, 403, 403, 403)),  # without saying of what
    "admin/jsi18n/": ("/admin/jsi18n/", SIGNED_IN),
    "admin/search/": ("/admin/search/", SIGNED_IN),
    "admin/r/<path:content_type_id>/<path:object_id>/": ("/admin/r/0/0/", MISSING),
    "admin/(?P<url>.*)$": ("/admin/nothing-here", MISSING),
    "admin/<app_label>/$": ("/admin/incidents/", SIGNED_IN),
    "admin/diagnostics/": ("/admin/diagnostics/", ADMINS),
    "admin/now/": ("/admin/now/", SIGNED_IN),
    "admin/palette/": ("/admin/palette/", SIGNED_IN),
    "admin/services/<slug:service_id>/": ("/admin/services/payments/", SIGNED_IN),
    "admin/services/<slug:service_id>/ping-url/": ("/admin/services/payments/ping-url/", BY_FORM_SIGNED_IN),
    "admin/checks/": ("/admin/checks/", SIGNED_IN),
    "admin/checks/<str:key>/": ("/admin/checks/0.payments.default/", MISSING),
    "admin/monitoring/service/<slug:service_id>/check-now/": (
        "/admin/monitoring/service/payments/check-now/",
        (302, 405, 405, 405),
    ),
    **{
        f"admin/monitoring/service/{route}": (
            f"/admin/monitoring/service/{route.replace('<slug:service_id>', 'payments')}",
            BY_FORM_SIGNED_IN,
        )
        for route in ("try/", "problems/", "<slug:service_id>/try/", "<slug:service_id>/problems/")
    },
    "admin/accounts/user/<int:user_id>/one-time-password/": (
        "/admin/accounts/user/1/one-time-password/",
        (302, 405, 405, 405),
    ),
    **model_addresses("accounts/apitoken", "{token}", see=SIGNED_IN, edit=SIGNED_IN),
    **{
        f"admin/accounts/apitoken/<path:object_id>/{page}/": (f"/admin/accounts/apitoken/{{token}}/{page}/", OWN)
        for page in ("change", "history")
    },
    "admin/accounts/apitoken/<int:token_id>/revoke/": ("/admin/accounts/apitoken/1/revoke/", BY_FORM_SIGNED_IN),
    "api/docs": ("/api/docs", ALL),
    "api/v1/": ("/api/v1/", MISSING_FOR_ALL),
    "api/v1/openapi.json": ("/api/v1/openapi.json", ALL),
    **{
        f"api/v1/{route}": (
            f"/api/v1/{re.sub('<int:[a-z_]+>', '7', route.replace('<slug:service_id>', 'payments'))}",
            expected,
        )
        for route, expected in {
            "token": BY_TOKEN,
            "services": BY_TOKEN,
            "services/<slug:service_id>": BY_TOKEN,
            "services/<slug:service_id>/restore": BY_FORM,
            "services/<slug:service_id>/pause": BY_FORM,
            "services/<slug:service_id>/resume": BY_FORM,
            "services/<slug:service_id>/check_now": BY_FORM,
            "services/<slug:service_id>/state": BY_TOKEN,
            "services/<slug:service_id>/checks": BY_TOKEN,
            "services/<slug:service_id>/uptime": BY_TOKEN,
            "services/<slug:service_id>/percentiles": BY_TOKEN,
            "services/<slug:service_id>/ledger": BY_TOKEN,
            "states": BY_TOKEN,
            "transitions": BY_TOKEN,
            "checks": BY_TOKEN,
            "system_status": BY_TOKEN,
            "incidents": BY_TOKEN,
            "incidents/<int:incident_id>": BY_TOKEN,
            "incidents/<int:incident_id>/publish": BY_FORM,
            "incidents/<int:incident_id>/dismiss": BY_FORM,
            "incidents/<int:incident_id>/acknowledge": BY_FORM,
            "incidents/<int:incident_id>/reopen": BY_FORM,
            "incidents/<int:incident_id>/updates": BY_TOKEN,
            "incidents/<int:incident_id>/updates/<int:update_id>": BY_FORM,
            "incidents/<int:incident_id>/updates/<int:update_id>/publish": BY_FORM,
            "incidents/<int:incident_id>/filled_template/<int:template_id>": BY_TOKEN,
            "incidents/<int:incident_id>/post_mortem": BY_TOKEN,
            "incidents/<int:incident_id>/post_mortem/publish": BY_FORM,
            "update_templates": BY_TOKEN,
            "update_templates/<int:template_id>": BY_TOKEN,
            "findings": BY_TOKEN,
            "findings/refresh": BY_FORM,
            "findings/<int:finding_id>/explain": BY_FORM,
            "response_times": BY_TOKEN,
            "maintenance_plans": BY_TOKEN,
            "maintenance_plans/<int:plan_id>": BY_TOKEN,
            "maintenance_plans/<int:plan_id>/cancel": BY_FORM,
            "maintenance": BY_TOKEN,
            "maintenance/<int:occurrence_id>": BY_TOKEN,
            "maintenance/<int:occurrence_id>/extend": BY_FORM,
            "maintenance/<int:occurrence_id>/end": BY_FORM,
            "maintenance/<int:occurrence_id>/skip": BY_FORM,
            "maintenance/<int:occurrence_id>/updates": BY_TOKEN,
        }.items()
    },
    **model_addresses("monitoring/service", "payments", see=ADMINS, edit=ADMINS),
    "admin/monitoring/service/": ("/admin/monitoring/service/", SIGNED_IN),
    **model_addresses("accounts/user", "{admin}", see=ADMINS, edit=ADMINS),
    **model_addresses("incidents/incident", "7", see=SIGNED_IN, edit=REPORTERS),
    **{
        f"admin/incidents/incident/{route}": (f"/admin/incidents/incident/{address}", expected)
        for route, address, expected in (
            ("<int:incident_id>/decide/", "7/decide/", BY_FORM_SIGNED_IN),
            ("preview/", "preview/", BY_FORM_SIGNED_IN),
            ("template/", "template/", BY_FORM_SIGNED_IN),
            ("<int:incident_id>/updates/<int:update_id>/", "7/updates/7/", REPORTERS),
            ("<int:incident_id>/updates/<int:update_id>/act/", "7/updates/7/act/", BY_FORM_SIGNED_IN),
        )
    },
    **model_addresses("incidents/updatetemplate", "7", see=SIGNED_IN, edit=REPORTERS),
    "admin/incidents/updatetemplate/<path:object_id>/delete/": ("/admin/incidents/updatetemplate/7/delete/", REPORTERS),
    "admin/incidents/incident/<int:incident_id>/post-mortem/": ("/admin/incidents/incident/7/post-mortem/", SIGNED_IN),
    "admin/response-times/": ("/admin/response-times/", SIGNED_IN),
    "admin/reconciliation/": ("/admin/reconciliation/", SIGNED_IN),
    "admin/reconciliation/now/": ("/admin/reconciliation/now/", BY_FORM_SIGNED_IN),
    "admin/reconciliation/<int:finding_id>/act/": ("/admin/reconciliation/7/act/", BY_FORM_SIGNED_IN),
    **model_addresses("incidents/maintenanceplan", "7", see=SIGNED_IN, edit=REPORTERS),
    "admin/incidents/maintenanceplan/<int:pk>/act/": (
        "/admin/incidents/maintenanceplan/7/act/",
        BY_FORM_SIGNED_IN,
    ),
    **model_addresses("monitoring/accountingpolicy", "{policy}", see=SIGNED_IN, edit=ADMINS),
    **model_addresses("monitoring/maintenancewindow", "{window}", see=SIGNED_IN, edit=ADMINS),
    **model_addresses("monitoring/restatement", "7", see=SIGNED_IN, edit=REPORTERS),
    "admin/monitoring/restatement/<int:pk>/decide/": ("/admin/monitoring/restatement/7/decide/", BY_FORM_SIGNED_IN),
}


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield re.sub(r"\(\?P<app_label>[^)]*\)", "<app_label>", route)  # its apps are those with something in it


def test_every_address_is_in_the_table() -> None:
    found = set(routes(get_resolver().url_patterns))

    assert found - set(EXPECTED) == set(), "say in EXPECTED who may enter"
    assert set(EXPECTED) - found == set(), "these are no addresses any more"


def own_token(person: Person) -> ApiToken:
    assert person.user is not None
    return tokens.make(person.user, "test", "read", days=1, now=timezone.now())[0]


@pytest.mark.parametrize("route", EXPECTED)
def test_each_address_opens_for_whom_it_should(
    cast: dict[str, Person], route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from statuspage import front
    from statuspage.tests.cast import reading_keeper

    monkeypatch.setattr(front, "keeper", reading_keeper())
    address, expected = EXPECTED[route]
    make_service("payments", is_active=False)
    incident = make_incident(id=7, title="Payments fail", started_at=timezone.now())
    make_update(id=7, incident=incident, created_at=timezone.now())
    UpdateTemplate.objects.create(id=7, name="Looking", message="We are looking into it.")
    begin = timezone.now()
    make_plan(id=7, now=begin, starts_on=begin.date() + timedelta(days=2))
    window = MaintenanceWindow.objects.create(since=begin)
    Restatement.objects.create(
        id=7,
        service_id="payments",
        restated_as="operational",
        since=begin,
        until=begin + timedelta(hours=1),
        reason="ours",
        proposed_at=begin,
    )
    address = address.replace("{admin}", str(cast["admin"].user.pk))
    address = address.replace("{token}", str(own_token(cast["viewer"]).pk))
    address = address.replace("{window}", str(window.pk))
    address = address.replace("{policy}", str(AccountingPolicy.objects.get(version=1).pk))

    found = {name: person.client.get(address).status_code for name, person in cast.items()}

    assert found == dict(zip(("stranger", "viewer", "reporter", "admin"), expected, strict=True)), address


def test_posting_to_a_history_page_is_no_error_of_ours(cast: dict[str, Person]) -> None:
    make_service("payments")
    incident = make_incident(id=7, title="Payments fail", started_at=timezone.now())
    make_update(id=7, incident=incident, created_at=timezone.now())
    UpdateTemplate.objects.create(id=7, name="Looking", message="We are looking into it.")
    begin = timezone.now()
    make_plan(id=7, now=begin, starts_on=begin.date() + timedelta(days=2))
    window = MaintenanceWindow.objects.create(since=begin)
    spoken = {"restated_as": "operational", "since": begin, "until": begin + timedelta(hours=1), "proposed_at": begin}
    Restatement.objects.create(id=7, service_id="payments", reason="ours", **spoken)
    policy = AccountingPolicy.objects.get(version=1).pk
    ids = {"admin": cast["admin"].user.pk, "token": own_token(cast["viewer"]).pk, "policy": policy, "window": window.pk}
    addresses = [address.format(**ids) for address, _ in EXPECTED.values() if address.endswith("/history/")]

    for person in cast.values():
        person.client.raise_request_exception = False
        for form in ({}, {"action": "x", "p": "x"}):
            found = {address: person.client.post(address, form).status_code for address in addresses}
            assert {address: status for address, status in found.items() if status >= 500} == {}


@pytest.mark.parametrize("address", [address for address, statuses in EXPECTED.values() if statuses[0] == 302])
def test_strangers_are_led_to_the_sign_in_and_nowhere_else(client: Client, db: None, address: str) -> None:
    if address in ("/language", "/admin/logout/"):
        return

    assert client.get(address).headers["Location"].startswith("/admin/login/?next=/admin/")
