"""`up --demo` adds sample data to a database, or refuses to."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count
from pytest_django import Settings

from accounts.models import User
from database import changes
from incidents.models import Incident, IncidentUpdate
from monitoring.models import (
    ApiCallLog,
    ApiResponseTime,
    CheckRun,
    Service,
    ServiceState,
    Transition,
    TransitionClaim,
    UptimeRecord,
    WatchServerLog,
)
from monitoring.tests.factories import make_service
from slamonitor.demo.adding import add_demo

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 20, 15, tzinfo=UTC)
PAST = timedelta(days=3)


@pytest.fixture(autouse=True)
def quick_hashing(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def everything() -> list[list[dict[str, object]]]:
    models: tuple[Any, ...] = (Service, ServiceState, User, Incident, IncidentUpdate, UptimeRecord, Transition)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_services_point_to_local_targets_and_are_marked() -> None:
    add_demo(8001, NOW, PAST)

    service = Service.objects.get(id="face-liveness")
    assert Service.objects.monitored().count() == 5
    assert (service.display_name, service.endpoint_url) == (
        "Face Liveness",
        "http://127.0.0.1:8001/slow-in-the-evening",
    )
    assert service.metadata["sample_until"] == "2025-03-20T15:00:00+00:00"
    assert service.created_at == NOW - timedelta(days=91)


def test_a_korean_installation_has_korean_samples(settings: Settings) -> None:
    settings.LANGUAGE_CODE = "ko"

    add_demo(8001, NOW, PAST)

    assert Service.objects.get(id="face-liveness").display_name == "얼굴 라이브니스"
    shown = (
        *Service.objects.values_list("description", flat=True),
        *Incident.objects.values_list("title", flat=True),
        *IncidentUpdate.objects.values_list("message", flat=True),
    )
    assert [text for text in shown if not re.search("[가-힣]", text)] == []


def test_raw_rows_runs_and_states_agree() -> None:
    added = add_demo(8001, NOW, PAST)

    assert added.checks == WatchServerLog.objects.count() == ApiResponseTime.objects.count()
    assert added.checks > 5 * 3 * 2_880 - 10
    for state in ServiceState.objects.select_related("service"):
        mine = {"service_id": state.service_id}
        runs = CheckRun.objects.filter(**mine).values_list("check_count", flat=True)
        assert sum(runs) + state.run_count == WatchServerLog.objects.filter(**mine).count()
        assert state.status == state.service.status
        assert WatchServerLog.objects.filter(**mine, is_healthy=False).count() == sum(
            UptimeRecord.objects.filter(**mine).values_list("failed_checks", flat=True)
        )


def test_days_are_accounted_by_the_engines_own_roll_up() -> None:
    add_demo(8001, NOW, PAST)

    days = UptimeRecord.objects.filter(service_id="curp-verifier").order_by("date")
    assert [day.status for day in days].count("o") >= 2
    worst = min(days, key=lambda day: day.uptime_percentage or 0)
    assert worst.status in ("po", "mo") and worst.down_s > 900 and worst.failed_checks > 2
    assert ApiCallLog.objects.get(service_id="curp-verifier", date=worst.date).p95_response_time > 200


def test_nobody_is_told_today_of_what_happened_then() -> None:
    add_demo(8001, NOW, PAST)

    assert Transition.objects.filter(cause="failed", evidence__sample=True).exists()
    assert not TransitionClaim.objects.exists()


def test_incidents_fit_the_outages() -> None:
    add_demo(8001, NOW, PAST)

    incidents = Incident.objects.annotate(lines=Count("updates"))
    assert {incident.status for incident in incidents} == {"resolved", "monitoring"}
    assert all(incident.lines >= 2 and incident.created_by.username == "reporter" for incident in incidents)  # type: ignore[attr-defined]
    outage = Incident.objects.filter(affected_services="curp-verifier").latest("started_at")
    first_bad = WatchServerLog.objects.get(service_id="curp-verifier", checked_at=outage.started_at)
    assert first_bad.verdict == "bad"


def test_a_second_time_changes_nothing() -> None:
    add_demo(8001, NOW, PAST)
    before, counter = everything(), changes.current("page")

    again = add_demo(8001, NOW + timedelta(hours=1), PAST)

    assert (again.services, again.moved, again.passwords) == (0, 0, {})
    assert everything() == before
    assert changes.current("page") == counter


def test_urls_follow_the_port_unless_somebody_changed_them() -> None:
    add_demo(8001, NOW, PAST)
    Service.objects.filter(id="id-liveness").update(endpoint_url="https://mine.example/")

    assert add_demo(9001, NOW, PAST).moved == 4

    assert Service.objects.get(id="id-liveness").endpoint_url == "https://mine.example/"
    assert Service.objects.get(id="face-compare").endpoint_url == "http://127.0.0.1:9001/flapping"


def test_an_installation_with_services_of_its_own_is_left_alone() -> None:
    make_service()

    with pytest.raises(CommandError, match=r"other services \(payments\).*--state-dir"):
        call_command("demo", "--targets-port", "8001")

    assert not User.objects.exists()


def test_services_added_to_a_demonstration_stay_and_do_not_stop_it() -> None:
    add_demo(8001, NOW, PAST)
    make_service()

    assert add_demo(8001, NOW, PAST).services == 0
    assert Service.objects.count() == 6


def test_targets_that_may_not_be_probed_are_refused(settings: Settings) -> None:
    settings.PROBE_ALLOW_PRIVATE = False

    with pytest.raises(CommandError, match="PROBE_ALLOW_PRIVATE"):
        call_command("demo", "--targets-port", "8001")
