"""Times that clocks show twice or never, wherever people enter times."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib import admin
from django.db.models import DateTimeField
from django.test import RequestFactory
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.tests.cast import Person
from monitoring.accounting.time_range import BadWindow, asked_for
from monitoring.admin_site.local_times import LocalDateTimeField
from monitoring.models import MaintenanceWindow, Restatement
from monitoring.rules.local_times import Repeated, Skipped, instant_of
from monitoring.tests.factories import make_service

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca", "Asia/Seoul"]
FIRST, SECOND = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
URL = "/admin/monitoring/maintenancewindow/add/"


@pytest.fixture(autouse=True)
def zone(settings: Settings) -> None:
    settings.PAGE_TIME_ZONE = BERLIN


def window(since: str, until: str, day: str = "2026-10-25") -> dict[str, str]:
    return {"since_0": day, "since_1": since, "until_0": day, "until_1": until, "reason": "switches", "service": ""}


def shown(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def answer(local: datetime, zone: ZoneInfo) -> tuple[str, datetime, datetime]:
    try:
        return "once", instant_of(local, zone), instant_of(local, zone)
    except Repeated as error:
        return "twice", error.first.astimezone(UTC), error.second.astimezone(UTC)
    except Skipped as error:
        return "never", error.before.astimezone(UTC), error.after.astimezone(UTC)


@given(st.sampled_from(ZONES).map(ZoneInfo), st.integers(315_532_800, 2_100_000_000))
def test_a_local_time_is_one_instant_or_two_or_none(zone: ZoneInfo, seconds: int) -> None:
    local = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)

    times, first, second = answer(local, zone)

    if times == "never":
        assert shown(first, zone) < local < shown(second, zone) and second - first == timedelta(seconds=1)
    else:
        assert shown(first, zone) == shown(second, zone) == local
        assert (first < second) == (times == "twice")


def test_the_nearest_times_of_a_skipped_one() -> None:
    with pytest.raises(Skipped) as skipped:
        instant_of(datetime.fromisoformat("2026-03-29T02:30"), BERLIN)

    assert [f"{skipped.value.before:%H:%M:%S}", f"{skipped.value.after:%H:%M:%S}"] == ["01:59:59", "03:00:00"]


@pytest.mark.parametrize(("since", "at"), [("02:30 +02:00", FIRST), ("02:30+01:00", SECOND), ("01:30 +00", SECOND)])
def test_the_repeated_hour_is_entered_with_its_offset(admin: Person, since: str, at: datetime) -> None:
    assert admin.client.post(URL, window(since, "04:00")).status_code == 302

    found = MaintenanceWindow.objects.get()
    assert found.since == at
    page = admin.client.get(f"/admin/monitoring/maintenancewindow/{found.pk}/change/").content.decode()
    assert f'value="02:30:00 +0{"2" if at == FIRST else "1"}:00"' in page
    assert 'value="04:00:00"' in page


def test_without_an_offset_both_times_are_named(admin: Person) -> None:
    page = admin.client.post(URL, window("02:30", "04:00")).content.decode()

    words = "Clocks in Europe/Berlin show this time twice, because they are set back. Enter 02:30 +02:00 for the first"
    assert f"{words} time (CEST), or 02:30 +01:00 for the second (CET)." in page
    assert not MaintenanceWindow.objects.exists()


def test_the_missing_hour_names_the_nearest_times(admin: Person) -> None:
    page = admin.client.post(URL, window("02:30", "04:00", "2026-03-29")).content.decode()

    assert "does not exist in Europe/Berlin" in page
    assert "The nearest times are 2026-03-29 01:59:59 and 2026-03-29 03:00:00." in page


def test_a_restatement_and_an_incident_take_offsets_too(admin: Person) -> None:
    make_service("payments")
    form = {**window("02:30 +02:00", "02:30 +01:00", "2025-10-26"), "service": "payments", "restated_as": "operational"}

    assert admin.client.post("/admin/monitoring/restatement/add/", form).status_code == 302

    restated = Restatement.objects.get()
    assert restated.until - restated.since == timedelta(hours=1)


def test_every_form_reads_times_alike(admin_site_request: Any) -> None:
    found = {
        f"{model.__name__}.{field.name}": type(formfield).__name__
        for model, model_admin in admin.site._registry.items()
        for field in model._meta.get_fields()
        if isinstance(field, DateTimeField) and field.editable and "monitoring" in model_admin.__module__
        if (formfield := model_admin.formfield_for_dbfield(field, admin_site_request))
    }

    assert len(found) > 3 and set(found.values()) == {LocalDateTimeField.__name__}


@pytest.fixture
def admin_site_request() -> Any:
    return RequestFactory().get("/")


@pytest.mark.parametrize("text", ["9999-12-31", "0001-01-01"])
def test_the_ends_of_the_calendar_are_refused(admin: Person, text: str) -> None:
    assert admin.client.post(URL, window("23:59", "23:59", text)).status_code == 200
    assert admin.client.post(URL, window("00:00 -12:00", "23:59 +14:00", text)).status_code in (200, 302)


def test_raw_checks_until_the_repeated_hour(viewer: Person) -> None:
    asked = viewer.client.get("/admin/checks/", {"until": "2026-10-25T02:30"}).content.decode()
    assert "Enter 2026-10-25 02:30 +02:00 for the first time" in asked
    assert '<input class="admin-field" type="text" name="until"' in asked

    given = viewer.client.get("/admin/checks/?until=2026-10-25 02:30 +02:00")  # the plus sign arrives as a space
    assert given.context["problems"] == ()


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["2026-10-25T02:30:00+01:00", "2026-10-25 02:30  01:00", "2026-10-25T02:30:00 01:00"])
def test_a_ledger_from_the_repeated_hour(text: str) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)

    assert asked_for({"from": text}, now, BERLIN).start == SECOND
    with pytest.raises(BadWindow, match=r"show this time twice.*2026-10-25 02:30 \+02:00"):
        asked_for({"from": "2026-10-25T02:30:00"}, now, BERLIN)
    with pytest.raises(BadWindow, match="does not exist"):
        asked_for({"from": "2026-03-29T02:30:00"}, now, BERLIN)


def test_a_time_that_was_entered_is_unchanged_by_a_form(admin: Person) -> None:
    with timezone.override(BERLIN):
        field = LocalDateTimeField()

        assert not field.has_changed(FIRST, ["2026-10-25", "02:30:00 +02:00"])
        assert field.has_changed(FIRST, ["2026-10-25", "02:30:00 +01:00"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [("2026-10-25T04:00", "04:00:00"), ("2026-10-25T00:30Z", "02:30:00 +02:00"), ("x", ""), ("\0", "")],
)
def test_a_link_may_fill_in_times(admin: Person, text: str, shown: str) -> None:
    page = admin.client.get(URL, {"since": text})

    assert page.status_code == 200
    assert not shown or f'value="{shown}"' in page.content.decode()
