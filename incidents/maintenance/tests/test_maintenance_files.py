"""`maintenance:` in services files: created, changed, pruned, exported, and refused with the line."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from incidents.maintenance.tests.factories import make_plan
from incidents.models import MaintenanceOccurrence, MaintenancePlan
from monitoring.catalogue.services_file import sync_file
from monitoring.catalogue.sync import Outcome, Refused
from monitoring.models import Service, Span

pytestmark = pytest.mark.django_db

SERVICES = """\
services:
- id: payments
  name: Payments
  endpoint_url: https://pay.example.com/health
  group: Money
"""
PLAN = """\
maintenance:
- id: patch-day
  title: Monthly patches
  services: [payments]
  start: 2035-03-06 02:00
  zone: Europe/Berlin
  duration: 90
  rrule: FREQ=MONTHLY;BYDAY=1TU
"""


def sync(text: str, **options: Any) -> Outcome:
    return sync_file(text.encode(), variables={}, **options)


def problems(text: str) -> list[str]:
    with pytest.raises(Refused) as refused:
        sync(text)
    assert not Service.objects.exists() and not MaintenancePlan.objects.exists(), "nothing is half done"
    return [f"{problem.line}: {problem}" for problem in refused.value.problems]


def exported() -> str:
    text = io.StringIO()
    call_command("export_services", stdout=text)
    return text.getvalue()


def test_a_file_plans_maintenance_of_a_service_that_it_creates_and_repeats_nothing() -> None:
    outcome = sync(SERVICES + PLAN)

    assert str(outcome).endswith("maintenance: 1 created, 0 updated, 0 removed, 0 unchanged")
    plan = MaintenancePlan.objects.get()
    assert (plan.slug, plan.duration_minutes, plan.announce_hours, plan.zone) == ("patch-day", 90, 72, "Europe/Berlin")
    assert [service.pk for service in plan.services.all()] == ["payments"]
    again = sync(SERVICES + PLAN)
    assert not again.has_changes and "1 unchanged" in str(again)


def test_a_dry_run_shows_the_plans_and_stores_nothing(tmp_path: Path) -> None:
    outcome = sync(SERVICES + PLAN, is_dry=True)

    assert outcome.has_changes and outcome.sections[0].created == ["patch-day"]
    file = tmp_path / "services.yaml"
    file.write_text(SERVICES + PLAN)
    text = io.StringIO()
    call_command("sync_services", str(file), "--dry-run", stdout=text)
    assert "+ maintenance: patch-day" in text.getvalue()
    assert not Service.objects.exists() and not MaintenancePlan.objects.exists()


def test_a_change_is_told_in_the_words_of_the_file() -> None:
    sync(SERVICES + PLAN)

    outcome = sync(SERVICES + PLAN.replace("90", "60") + "  ends_by_hand: true\n")

    assert outcome.sections[0].updated == {"patch-day": ["duration 90 → 60", "ends_by_hand false → true"]}
    assert MaintenancePlan.objects.get().ends_by_hand


def test_an_export_is_a_file_in_which_nothing_changes() -> None:
    written = PLAN + "  translations:\n    ko: {title: 월간 패치}\n  announce: 0\n"
    sync(SERVICES + written)
    make_plan(title="Of the admin", wall_time=MaintenancePlan.objects.get().wall_time)

    text = exported()

    assert "월간 패치" in text and "Of the admin" not in text
    assert not sync(text).has_changes


def test_plans_missing_from_the_list_are_cancelled_with_prune_only() -> None:
    sync(SERVICES + PLAN)

    assert sync(SERVICES).sections == ()
    assert not sync(SERVICES + "maintenance: []\n").has_changes
    outcome = sync(SERVICES + "maintenance: []\n", prune=True)

    assert outcome.sections[0].removed == ["patch-day"]
    assert MaintenancePlan.objects.get().cancelled_at is not None
    assert not MaintenanceOccurrence.objects.open().exists() and not Span.objects.in_force().exists()
    (warning,) = sync(SERVICES + PLAN).warnings
    assert str(warning) == (
        'maintenance.id: "patch-day" was cancelled, and stays so. Choose another id to plan it again.'
    )


@pytest.mark.parametrize(
    ("line", "instead", "expected"),
    [
        ("duration: 90", "duration: 0", "12: maintenance.duration: It would end when it begins, or before: 0 minutes."),
        ("duration: 90", "duration: long", '12: maintenance.duration: "long" is not a number of minutes.'),
        ("zone: Europe/Berlin", "zone: Mars/Base", "11: maintenance.zone: “Mars/Base” is not a time zone."),
        ("2035-03-06 02:00", "2035-02-30 02:00", "is not a time such as 2027-03-02 02:00."),
        (
            "2035-03-06 02:00",
            "2020-03-06 02:00",
            "10: maintenance.start: 2020-03-06 02:00 in Europe/Berlin has",
        ),
        ("[payments]", "[paymets]", '9: maintenance.services: "paymets" is not a service.'),
        ("[payments]", "[]", "9: maintenance.services: It covers no service."),
        ("FREQ=MONTHLY;BYDAY=1TU", "FREQ=HOURLY", "13: maintenance.rrule: FREQ=HOURLY is too often"),
        ("  title: Monthly patches\n", "", "7: maintenance.title: it is missing."),
        ("title:", "titel:", "8: maintenance.titel: unknown key. Did you mean title?"),
        ("id: patch-day", "id: Patch Day", '7: maintenance.id: "Patch Day" is not lowercase letters'),
        ("rrule:", "zone:", "13: maintenance.zone: it is listed twice in this plan."),
        ("- id: patch-day\n  ", "- id: patch-day\n  groups: [Nobody]\n  ", "No service is in the group “Nobody”."),
        ("maintenance:\n", "maintenance: soon\nx-rest:\n", "6: maintenance: there is no list under it."),
        ("maintenance:\n- ", "maintenance:\n- text\n- ", "7: maintenance: this is not a plan."),
        ("maintenance:", "maintenence:", "Did you mean maintenance?"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_nothing_is_changed(line: str, instead: str, expected: str) -> None:
    assert line in PLAN

    found = problems(SERVICES + PLAN.replace(line, instead))

    assert any(expected in each for each in found), found


def test_two_plans_of_one_id_or_one_time_are_refused() -> None:
    twice = PLAN + PLAN.removeprefix("maintenance:\n")

    assert any("is the id of the plan in line 7 too" in each for each in problems(SERVICES + twice))
    other = twice.replace("patch-day", "other-day", 1)
    assert any("overlaps “Monthly patches”" in each for each in problems(SERVICES + other))
