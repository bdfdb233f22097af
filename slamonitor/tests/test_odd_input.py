"""No address fails by what somebody sends to it: long and odd values, as query, form and JSON."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.tests.cast import Person
from incidents.models import Incident
from monitoring.models import MaintenanceWindow, Restatement
from monitoring.tests.factories import make_service
from slamonitor.tests.test_urls import EXPECTED, own_token

pytestmark = pytest.mark.slow

# Long in characters and in bytes; what PostgreSQL does not store; no number, date, JSON or path.
ODD = ["한" * 5_000, "9" * 400, "a\0b"]
NAMES = (
    "q",
    "p",
    "o",
    "e",
    "all",
    "term",
    "app_label",
    "model_name",
    "field_name",
    "from",
    "to",
    "cursor",
    "limit",
    "page",
    "service",
    "region",
    "verdict",
    "status",
    "window",
    "kind",
    "group",
    "tag",
    "shown",
    "next",
    "username",
    "password",
    "action",
    "select_across",
    "_selected_action",
    "reason",
    "language",
    "old_password",
    "new_password1",
    "name",
    "id",
    "endpoint_url",
    "display_name",
    "description",
    "check_interval",
    "timeout",
    "regions",
    "tags",
    "metadata",
    "title",
    "email",
    "role",
    "scope",
    "days",
    "since",
    "until",
    "is_active__exact",
    "status__exact",
    "object_id",
    "parent",
)


@pytest.fixture(autouse=True)
def quick_hasher(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def everything(cast: dict[str, Person]) -> dict[str, str]:
    """Make one of everything, and return what stands for ids in addresses."""
    make_service("payments", is_active=False)
    now = timezone.now()
    Incident.objects.create(id=7, title="Payments fail", started_at=now)
    MaintenanceWindow.objects.create(id=7, since=now)
    spoken = {"restated_as": "operational", "since": now, "until": now, "reason": "ours", "proposed_at": now}
    Restatement.objects.create(id=7, service_id="payments", **{**spoken, "until": now + timedelta(hours=1)})
    return {"admin": str(cast["admin"].user.pk), "token": str(own_token(cast["viewer"]).pk), "policy": "1"}


def statuses(client: Client, address: str) -> Iterator[tuple[str, int]]:
    yield "POST", client.post(address).status_code
    values = {name: ODD[number % len(ODD)] for number, name in enumerate(NAMES)}
    yield "query", client.get(address, values).status_code
    yield "form", client.post(address, values).status_code
    yield "JSON", client.post(address, values, content_type="application/json").status_code


@pytest.mark.parametrize("who", ["stranger", "viewer", "reporter", "admin"])
def test_no_address_fails(
    cast: dict[str, Person], everything: dict[str, str], who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from statuspage import front
    from statuspage.tests.cast import reading_keeper

    monkeypatch.setattr(front, "keeper", reading_keeper())
    client = cast[who].client
    client.raise_request_exception = False
    addresses = {address.format(**everything) for address, _expected in EXPECTED.values()}
    addresses -= {"/health", "/readyz", "/admin/logout/"}  # which answer 503 without an engine, and sign us out

    failed = {
        f"{what}: {address}": status
        for address in sorted(addresses)
        for what, status in statuses(client, address)
        if status >= 500
    }

    assert failed == {}
