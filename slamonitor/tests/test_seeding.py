import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import User
from database import changes, partitions
from incidents.models import SystemStatus
from monitoring.models import Service, UptimeRecord
from monitoring.tests.factories import make_service
from slamonitor import own_service, seeding

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 10, 15, tzinfo=UTC)
PASSWORD = re.compile(r"(?:[a-z2-9]{4}-){3}[a-z2-9]{4}")


@pytest.fixture(autouse=True)
def quick_hashing(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def rows() -> list[list[dict[str, object]]]:
    models: tuple[Any, ...] = (Service, User, UptimeRecord, SystemStatus)
    return [list(model.objects.order_by("pk").values()) for model in models]


# --- seed


def test_seeding_makes_services_users_days_and_the_status_row(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed")

    assert dict(Service.objects.values_list("id", "display_name"))["curp-verifier"] == "CURP 검증"
    assert Service.objects.get(id="id-liveness").endpoint_url.endswith("/modules/document")
    assert not Service.objects.monitored().exists()
    assert UptimeRecord.objects.filter(metadata={"sample": True}).count() == 5 * 90
    assert SystemStatus.objects.get().total_services == 0


def test_passwords_are_printed_once_and_work_until_changed(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed")
    printed = dict(re.findall(rf"(\w+)@argosidentity\.com +({PASSWORD.pattern})", capsys.readouterr().out))

    assert set(printed) == {"admin", "reporter", "viewer"}
    for name, password in printed.items():
        user = User.objects.get(email=f"{name}@argosidentity.com")
        assert user.role == name and user.must_change_password and user.check_password(password)


def test_seeding_again_changes_nothing_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed")
    before, counter = rows(), changes.current("page")
    capsys.readouterr()

    call_command("seed")

    assert capsys.readouterr().out == "All sample data already exists; nothing was changed.\n"
    assert rows() == before
    assert changes.current("page") == counter


def test_seeding_leaves_what_people_changed() -> None:
    seeding.seed(NOW, activate=False)
    Service.objects.filter(id="face-compare").update(endpoint_url="http://mine", archived_at=NOW)
    User.objects.create_user("boss", "boss@example.com")
    before = rows()

    assert not seeding.seed(NOW, activate=False)
    assert rows() == before


def test_an_existing_admin_keeps_name_and_password() -> None:
    User.objects.create_user("admin", "admin@localhost", "a password of their own")

    seeded = seeding.seed(NOW, activate=False)

    assert set(seeded.passwords) == {"reporter", "viewer"}
    assert User.objects.get(username="admin").check_password("a password of their own")


def test_activating_turns_on_what_was_seeded_before() -> None:
    seeding.seed(NOW, activate=False)

    assert len(seeding.seed(NOW, activate=True).activated) == 5
    assert Service.objects.monitored().count() == 5
    assert not seeding.seed(NOW, activate=True)


def test_the_sample_is_always_the_same_and_agrees_with_itself() -> None:
    seeding.seed(NOW, activate=False)

    days = UptimeRecord.objects.all()
    assert {day.status for day in days} == {"o", "po", "nd"}
    for day in days:
        if day.status == "nd":
            assert (day.uptime_percentage, day.total_checks, day.avg_response_time) == (None, 0, None)
        elif day.status == "o":
            assert (day.uptime_percentage, day.failed_checks) == (Decimal("100.00"), 0)
        else:
            assert Decimal(95) <= day.uptime_percentage < 100 and day.failed_checks > 0
    of_one = UptimeRecord.objects.filter(service="id-recognition").order_by("date")
    made_again = seeding._sample("id-recognition", [day.date for day in of_one])
    assert [day.status for day in of_one] == [day.status for day in made_again]


def test_the_sample_ends_with_today_in_the_time_zone_of_the_page(settings: Settings) -> None:
    settings.PAGE_TIME_ZONE = datetime.fromisoformat("2025-03-10T00:00+09:00").tzinfo

    seeding.seed(NOW, activate=False)

    days = UptimeRecord.objects.filter(service="face-compare").order_by("date").values_list("date", flat=True)
    assert (days.first(), days.last()) == (date(2024, 12, 12), date(2025, 3, 11))


# --- reset_data


def test_a_reset_without_debug_is_refused_and_names_what_it_would_delete() -> None:
    make_service()

    with pytest.raises(CommandError, match=r"1 of services.*--force"):
        call_command("reset_data")

    assert Service.objects.get().id == "payments"


def test_a_forced_reset_deletes_everything_and_seeds_again(capsys: pytest.CaptureFixture[str]) -> None:
    make_service()
    User.objects.create_user("boss", "boss@example.com")
    partitions.ensure("watch_server_logs", {NOW.date()})
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO watch_server_logs (checked_at, lateness_ms, interval_ms, service_id, region, verdict)"
            " VALUES (%s, 0, 1000, 'payments', 'default', 'ok')",
            [NOW],
        )
    connection.check_constraints()  # deferred ones would keep the tables busy, since a test is a transaction

    call_command("reset_data", "--force")

    assert set(Service.objects.values_list("id", flat=True)) == set(seeding.SERVICES)
    assert list(User.objects.order_by("id").values_list("id", "username")) == [
        (1, "admin"),
        (2, "reporter"),
        (3, "viewer"),
    ]
    assert "watch_server_logs" not in seeding.rows_by_table()
    assert capsys.readouterr().out.startswith("All data deleted.\n5 services created")


def test_a_reset_needs_no_force_while_developing(settings: Settings) -> None:
    settings.DEBUG = True

    call_command("reset_data")

    assert Service.objects.count() == 5


def test_change_counters_never_go_back() -> None:
    for _change in range(5):
        changes.bump("page")

    seeding.reset(NOW)

    assert changes.current("page") > 5


# --- first_run


def test_the_first_run_makes_an_admin_and_monitors_ourselves(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("first_run", "--page-url", "http://localhost:8001/")

    out = capsys.readouterr().out
    admin, service = User.objects.get(), Service.objects.get()
    assert admin.role == "admin" and admin.must_change_password
    assert admin.check_password(PASSWORD.search(out)[0])
    assert (service.id, service.display_name) == (own_service.ID, "SLA Monitor")
    assert (service.endpoint_url, service.check_interval) == ("http://localhost:8001/health", 10_000)
    assert SystemStatus.objects.get().total_services == 1


def test_the_second_run_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("first_run")
    before = rows()
    capsys.readouterr()

    with CaptureQueriesContext(connection) as queries:
        call_command("first_run")

    assert capsys.readouterr().out == ""
    assert rows() == before
    assert len(queries) < 20


def test_the_partitions_of_today_are_made() -> None:
    call_command("first_run")

    for table in ("watch_server_logs", "api_response_times"):
        assert datetime.now(UTC).date() in partitions.existing(table)


def test_our_own_service_follows_the_port(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("first_run", "--page-url", "http://localhost:8000")

    call_command("first_run", "--page-url", "http://localhost:9000")

    service = Service.objects.get()
    assert (service.endpoint_url, service.version) == ("http://localhost:9000/health", 2)


def test_a_url_that_somebody_changed_stays() -> None:
    call_command("first_run", "--page-url", "http://localhost:8000")
    Service.objects.update(endpoint_url="https://status.example.com/health")

    call_command("first_run", "--page-url", "http://localhost:9000")

    assert Service.objects.get().endpoint_url == "https://status.example.com/health"


def test_an_installation_in_use_gets_no_service_of_ours() -> None:
    make_service(archived_at=NOW)

    call_command("first_run")

    assert Service.objects.get().id == "payments"


def test_a_page_url_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="--page-url: endpoint_url: 'localhost/health' is not a URL"):
        call_command("first_run", "--page-url", "localhost")

    assert not User.objects.exists()
