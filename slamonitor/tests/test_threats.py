"""Threats of docs/security.md that no other test holds back."""

import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts.tests.cast import Person
from incidents.models import Finding, FollowUp, PostMortem
from incidents.tests.factories import make_incident, make_update
from monitoring.engine import recording
from monitoring.models import Service, WatchServerLog
from monitoring.probes.model import ErrorType, Verdict
from monitoring.tests.factories import START, make_result, make_service
from slamonitor.celery import app
from slamonitor.embedded.state_directory import CHECKOUT

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
FILE = """services:
- id: payments
  name: Payments
  endpoint_url: https://payments.example/
  check:
    kind: http
    headers:
      Authorization: {secret: planted-secret}
"""
NOW = datetime(2025, 3, 10, 0, 1, tzinfo=UTC)


def test_the_threat_model_names_tests_that_exist() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (CHECKOUT / "docs" / "security.md").read_text())

    assert len(named) >= 20
    missing = [f"{path}::{name}" for path, name in named if f"def {name}(" not in (CHECKOUT / path).read_text()]
    assert missing == []


@pytest.mark.django_db
def test_what_a_target_says_is_text_wherever_it_is_shown(admin: Person, client: Client) -> None:
    make_service(name=SCRIPT, display_name=SCRIPT, description=SCRIPT)
    bad = make_result(0, "bad", error_message=f"answered {SCRIPT}", error_type=ErrorType.HTTP)
    recording.record([bad], NOW)
    incident = make_incident(title=SCRIPT, started_at=NOW, description=SCRIPT, root_cause=SCRIPT)
    post_mortem = PostMortem.objects.create(incident=incident, summary=SCRIPT, notes=SCRIPT)
    FollowUp.objects.create(post_mortem=post_mortem, text=SCRIPT, due_on=NOW.date())
    make_update(incident=incident, created_at=NOW, message=SCRIPT)
    Finding.objects.create(kind="unreported", service_id="payments", measured_at=NOW, found_at=NOW)
    Finding.objects.create(
        kind="unmeasured", incident=incident, told_at=NOW, found_at=NOW, explained_at=NOW, explanation=SCRIPT
    )
    key = f"{int(START.timestamp() * 1000)}.payments.default"

    pages = {
        "/services/payments/ledger?from=2025-03-10&to=2025-03-11": client,
        "/admin/checks/?service=payments&window=all": admin.client,
        f"/admin/checks/{key}/": admin.client,
        "/admin/": admin.client,
        "/admin/services/payments/": admin.client,
        "/admin/reconciliation/": admin.client,
        f"/admin/incidents/incident/{incident.pk}/change/": admin.client,
        f"/admin/incidents/incident/{incident.pk}/post-mortem/": admin.client,
        "/admin/palette/?term=script": admin.client,
        "/admin/monitoring/service/": admin.client,
        "/admin/monitoring/service/payments/change/": admin.client,
    }
    for address, visitor in pages.items():
        answer = visitor.get(address)
        assert answer.status_code in (200, 400), address
        assert "<script>alert" not in answer.content.decode() and "<img src=x" not in answer.content.decode(), address
        assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"].partition("style-src")[0], address


@pytest.mark.django_db
def test_a_forged_result_brings_no_service_into_being_and_no_long_text() -> None:
    make_service()
    forged = [
        make_result(0, "bad", service_id="no-such-service"),
        make_result(0, "bad", error_message="x" * 100_000, error_type=ErrorType.HTTP),
    ]

    recording.record(forged, NOW)

    assert list(Service.objects.values_list("id", flat=True)) == ["payments"]
    assert len(WatchServerLog.objects.get(service_id="payments").error_message or "") == 500


@pytest.mark.django_db
def test_a_forged_result_cannot_replace_one_that_is_there() -> None:
    make_service()
    recording.record([make_result(0)], NOW)

    recorded = recording.record([make_result(0, "bad")], NOW)

    assert recorded.duplicates == 1
    assert WatchServerLog.objects.get().verdict == Verdict.OK


def test_messages_are_json_and_nothing_that_runs() -> None:
    assert list(app.conf.accept_content) == ["json"]
    assert app.conf.task_serializer == "signed-json"


@pytest.mark.django_db
def test_a_stolen_dump_holds_no_secret_in_the_clear(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(FILE)
    call_command("sync_services", str(file), stdout=StringIO())

    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(services::text, '') FROM services")
        stored = cursor.fetchone()[0]

    assert "planted-secret" not in stored and "sealed:" in stored


@pytest.mark.django_db
def test_a_form_from_elsewhere_changes_nothing(admin: Person) -> None:
    make_service()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin.user, backend="django.contrib.auth.backends.ModelBackend")

    answer = strict.post("/admin/monitoring/service/payments/change/", {"name": "Stolen"})

    assert answer.status_code == 403
    assert "Nothing was saved" in answer.content.decode()
    assert Service.objects.get().name == "payments"
