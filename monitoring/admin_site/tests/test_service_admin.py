"""Services in the admin: the list, the form and the actions."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.tests.cast import Person
from database import changes
from monitoring import probes
from monitoring.models import Service, ServiceHour, ServiceState, Span
from monitoring.probes import KINDS
from monitoring.probes.settings import described
from monitoring.tests.factories import make_checked, make_service
from monitoring.words import settings

LIST = "/admin/monitoring/service/"
FORM = {
    "name": "Payments",
    "display_name": "결제",
    "description": "",
    "group_name": "Money",
    "tags": "eu, core",
    "parent": "",
    "kind": "http",
    "endpoint_url": "https://payments.example/health",
    "check_interval": "60000",
    "timeout": "5000",
    "regions": "default",
    "failure_threshold": "",
    "recovery_threshold": "",
    "quorum": "",
    "incident_mode": "draft",
    "metadata": "{}",
}


def make_many(count: int) -> None:
    for number in range(count):
        service = make_service(f"s-{number:04d}", group_name=f"group {number % 3}")
        ServiceState.objects.create(service=service, status="o", run_last_at=timezone.now(), last_response_ms=12)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    ServiceHour.objects.bulk_create(
        ServiceHour(hour_at=hour, service_id=f"s-{n:04d}", ok_count=9, slow_count=0, bad_count=1, response_ms_sum=90)
        for n in range(count)
    )


def queries_of(admin: Person) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert admin.client.get(LIST).status_code == 200
    return len(captured)


def test_list_takes_as_many_queries_for_300_services_as_for_3(admin: Person) -> None:
    make_many(3)
    admin.client.get(LIST)
    few = queries_of(admin)
    Service.objects.all().delete()
    ServiceHour.objects.all().delete()
    make_many(300)

    assert queries_of(admin) == few
    assert few <= 14


def test_a_row_says_state_name_last_check_and_draws_the_last_day(admin: Person, time_machine: Any) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    make_many(1)

    page = admin.client.get(LIST).content.decode()

    assert "Operational</span>" in page
    assert "s-0000" in page
    assert "failed checks: 1" in page
    assert "0 s ago" in page


@pytest.mark.parametrize(
    ("state", "columns", "word"),
    [
        ({"status": "mo"}, {}, "Down"),
        ({"status": "o", "stale_at": timezone.now() - timedelta(minutes=1)}, {}, "No data"),
        ({"status": "o"}, {"is_active": False}, "Paused"),
    ],
)
def test_state_says_what_is_decided_then_what_is_known(admin: Person, state: Any, columns: Any, word: Any) -> None:
    ServiceState.objects.create(service=make_service(**columns), run_last_at=timezone.now(), **state)

    assert f"</svg>{word}</span>" in admin.client.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"running", "resting"}),
        ("?shown=running", {"running"}),
        ("?shown=paused", {"resting"}),
        ("?shown=archived", {"archived"}),
        ("?region=seoul", {"resting"}),
        ("?group=Money", {"running"}),
        ("?q=rest", {"resting"}),
        ("?status=o", {"running"}),
        ("?status=nd", {"resting"}),
        ("?is_critical__exact=1", {"resting"}),
    ],
)
def test_list_is_narrowed_by_filters_and_search(admin: Person, query: Any, found: Any) -> None:
    make_checked("running", "o", group_name="Money")
    make_checked("resting", "o", is_active=False, is_critical=True, regions=["seoul"])
    make_service("archived", archived_at=timezone.now())
    ServiceState.objects.filter(service="resting").update(stale_at=timezone.now())

    rows = admin.client.get(LIST + query).context["cl"].result_list

    assert {service.pk for service in rows} == found


def test_a_new_service_is_judged_stored_and_told(admin: Person, django_capture_on_commit_callbacks: Any) -> None:
    before = changes.current("page")
    with django_capture_on_commit_callbacks() as told:
        answer = admin.client.post(f"{LIST}add/", {**FORM, "id": "payments"})

    service = Service.objects.get()
    assert answer.status_code == 302
    assert (service.pk, service.display_name, service.tags, service.version) == ("payments", "결제", ["eu", "core"], 1)
    assert service.phase_ms is not None
    assert changes.current("page") > before
    assert told, "consumers are nudged"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("check_interval", "60", "If you meant seconds, enter milliseconds: 60000."),
        ("timeout", "5", "If you meant seconds, enter milliseconds: 5000."),
        ("endpoint_url", "payments.example", "Enter a full URL"),
        ("endpoint_url", "", "this kind of check needs one"),
        ("id", "Pay Ments", "Use lowercase letters, digits and single hyphens"),
        ("http__expected_status", "99", "99 is not a status. Enter codes like 200"),
        ("http__degraded_over_ms", "soon", "&quot;soon&quot; is not a whole number. Enter digits only"),
        ("http__method", "GRAB", "&quot;GRAB&quot; is not a valid choice. Use one of GET, HEAD"),
        ("http__headers", "Accept: [", "It cannot be read"),
        ("http__headers", "Connection: close", "Connection: the monitor sets this header itself"),
        ("http__body", "hello", "a GET request has no body"),
        ("regions", "default,default", "A region is listed twice"),
        ("quorum", "3", "between 1 and the number of regions"),
    ],
)
def test_mistakes_are_said_in_words_and_nothing_is_stored(admin: Person, field: Any, value: Any, words: Any) -> None:
    page = admin.client.post(f"{LIST}add/", {**FORM, "id": "payments", field: value})

    assert words in page.content.decode()
    assert not Service.objects.exists()


def test_saving_raises_the_version_only_for_what_a_probe_must_know(admin: Person) -> None:
    admin.client.post(f"{LIST}add/", {**FORM, "id": "payments"})
    change = f"{LIST}payments/change/"

    admin.client.post(change, {**FORM, "display_name": "Pay"})
    assert Service.objects.get().version == 1

    admin.client.post(change, {**FORM, "display_name": "Pay", "timeout": "2500"})
    service = Service.objects.get()
    assert (service.version, service.timeout, service.display_name) == (2, 2500, "Pay")


def test_what_one_editor_leaves_alone_does_not_undo_what_another_wrote(admin: Person) -> None:
    admin.client.post(f"{LIST}add/", {**FORM, "id": "payments"})
    Service.objects.update(is_active=False, status="mo")

    admin.client.post(f"{LIST}payments/change/", {**FORM, "description": "Cards and wires"})

    service = Service.objects.get()
    assert (service.description, service.is_active, service.status) == ("Cards and wires", False, "mo")


def test_settings_are_written_in_fields_of_their_kind(admin: Person) -> None:
    written = {
        "http__method": "POST",
        "http__headers": "Accept: application/json\r\nX-Key: {secret: hunter2}",
        "http__body": " as it is\r\n",
        "http__expected_status": "[200, 3xx]",
        "http__keyword_present": "Welcome",
        "http__follow_redirects": "false",
        "http__degraded_over_ms": "800",
        "tcp__expect": "nobody asks for this",
    }
    admin.client.post(f"{LIST}add/", {**FORM, "id": "payments", **written})

    settings = Service.objects.get().shown_settings
    assert settings == {
        "method": "POST",
        "headers": {"Accept": "application/json", "X-Key": {"secret": "••••"}},
        "body": " as it is\n",
        "expected_status": [200, "3xx"],
        "keyword_present": "Welcome",
        "follow_redirects": False,
        "degraded_over_ms": 800,
    }


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (
            "http",
            {"json_equals": [{"path": "$.a", "value": None}], "expected_status": 204, "keyword_absent": ["no", "1"]},
        ),
        ("http", {"final_url": {"host": ["a.example", "b.example"]}, "cookies": False, "response_body": "ignore"}),
        ("http", {"method": "GET", "verify_tls": True, "headers": {"X-Key": {"secret": "hunter2"}}}),
        ("tcp", {"send": r"PING\r\n", "expect": "PONG: 1"}),
        ("dns", {"type": "MX", "values": ["10 mail.example.com"], "match": "any", "resolver": "192.0.2.53"}),
        ("tls", {"warn_days": 0, "min_version": 1.3}),
        ("domain", {"warn_days": 60, "rdap_server": "https://rdap.example/"}),
        ("http", {"tls": {"security": "legacy", "min_version": "1.0"}, "cert_days": 14}),
        ("reach", {"ports": [443, 22]}),
        ("heartbeat", {"period": "1d", "grace": 60}),
    ],
)
def test_a_form_given_back_as_it_is_changes_nothing(admin: Person, kind: Any, settings: Settings) -> None:
    scheme, port = {"reach": ("host", "")}.get(kind, (kind, "" if kind in ("dns", "domain") else ":443"))
    url = None if kind == "heartbeat" else f"{scheme}://example.com{port}"
    service = make_service("payments", kind=kind, check_settings=settings, endpoint_url=url)
    stored = (service.check_settings, service.version)
    page = admin.client.get(f"{LIST}payments/change/")
    assert "hunter2" not in page.content.decode() + str(stored)
    form = page.context["adminform"].form
    shown = {name: form[name].value() for name in form.fields if form[name].value() is not None}

    answer = admin.client.post(f"{LIST}payments/change/", {**shown, "metadata": "{}", "tags": "", "regions": "default"})

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    service.refresh_from_db()
    assert (service.check_settings, service.version) == stored


def test_another_kind_begins_with_its_own_settings(admin: Person) -> None:
    make_service("payments", check_settings={"degraded_over_ms": 800})

    other = {"kind": "tcp", "endpoint_url": "tcp://payments.example:5432", "http__degraded_over_ms": "800"}
    admin.client.post(f"{LIST}payments/change/", {**FORM, **other})

    assert Service.objects.get().check_settings == {}


def test_settings_and_what_is_wrong_with_them_are_korean(admin: Person) -> None:
    wrong = {**FORM, "id": "payments", "http__method": "GRAB"}

    page = admin.client.post(f"{LIST}add/", wrong, headers={"accept-language": "ko"}).content.decode()

    assert "점검 설정: TCP 포트" in page
    assert "정상 상태 코드" in page
    assert "여기에 쓸 수 없습니다. 다음 가운데 하나를 쓰십시오" in page


def test_every_word_of_the_kinds_is_in_the_catalogue() -> None:
    said = {kind.label for kind in KINDS.values()}
    for kind in KINDS.values():
        for each in described(kind.settings):
            said |= {each.setting.label, each.setting.help, each.setting.unit}
    for path in Path(probes.__file__).parent.rglob("*.py"):
        said |= set(messages_of(ast.parse(path.read_text())))

    assert said - {""} == set(settings.WORDS)


def messages_of(module: ast.Module) -> Iterator[str]:
    """Yield what is said of settings: by `notes.add`, in a `Problem`, or as the `message` that either is given."""
    for node in ast.walk(module):
        said: list[ast.expr] = []
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["message"]:
            said = [node.value]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "notes.add":
            said = node.args[:1]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "Problem":
            said = node.args[2:3]
        for part in (part for each in said for part in ast.walk(each)):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def test_id_of_an_archived_service_is_not_given_to_another(admin: Person) -> None:
    make_service("payments", archived_at=timezone.now())

    page = admin.client.post(f"{LIST}add/", {**FORM, "id": "payments"})

    assert "restore the service" in page.content.decode()


def act(admin: Person, action: str, *ids: str, query: str = "", **values: str) -> Any:
    return admin.client.post(LIST + query, {"action": action, "_selected_action": ids, "index": "0", **values})


def test_pausing_asks_for_a_reason_and_keeps_it_with_the_author(admin: Person) -> None:
    make_service("payments")

    asked = act(admin, "pause_services", "payments")
    assert "neither as uptime nor as downtime" in asked.content.decode()
    assert "Enter a reason" in act(admin, "pause_services", "payments", confirmed="1").content.decode()
    assert Service.objects.get().is_active

    done = act(admin, "pause_services", "payments", confirmed="1", reason="moving house")
    assert done.status_code == 302
    assert not Service.objects.get().is_active
    assert (Span.objects.get().reason, Span.objects.get().author) == ("moving house", admin.user)


def test_resuming_ends_the_pause(admin: Person) -> None:
    make_service("payments")
    act(admin, "pause_services", "payments", confirmed="1", reason="moving house")

    act(admin, "resume_services", "payments", confirmed="1")

    assert Service.objects.get().is_active
    assert Span.objects.get().until is not None


def test_all_of_a_filter_are_paused_at_once_however_many(admin: Person) -> None:
    for number in range(60):
        make_service(f"s-{number:02d}", group_name="Money")
    make_service("other")

    act(admin, "pause_services", "s-00", query="?group=Money", select_across="1", confirmed="1", reason="bank holiday")

    assert list(Service.objects.filter(is_active=True).values_list("id", flat=True)) == ["other"]


def test_a_service_is_archived_and_restored(admin: Person) -> None:
    make_service("payments")
    assert "Nothing is deleted" in act(admin, "archive_services", "payments").content.decode()

    act(admin, "archive_services", "payments", confirmed="1")
    assert Service.objects.get().archived_at is not None
    assert not Service.objects.monitored().exists()

    act(admin, "restore_services", "payments", query="?shown=archived", confirmed="1")
    assert Service.objects.monitored().exists()


def test_an_archived_service_offers_only_to_be_restored(admin: Person) -> None:
    make_service("payments", archived_at=timezone.now())

    page = admin.client.get(f"{LIST}payments/change/").content.decode()

    assert "Restore…" in page
    assert "Check now" not in page


def test_parents_are_looked_up_among_services_that_are_there(admin: Person, reporter: Person, viewer: Person) -> None:
    make_service("payments")
    make_service("paper", archived_at=timezone.now())
    query = "/admin/autocomplete/?app_label=monitoring&model_name=service&field_name=parent&term=pa"

    assert [each["id"] for each in admin.client.get(query).json()["results"]] == ["payments"]
    assert reporter.client.get(query).status_code == 200
    assert viewer.client.get(query).status_code == 403


def test_korean_list_is_korean(admin: Person) -> None:
    make_service()

    page = admin.client.get(LIST, headers={"accept-language": "ko"}).content.decode()

    assert "최근 24시간" in page
    assert "필터" in page


def test_a_service_cannot_be_part_of_itself_or_of_an_archived_one(admin: Person) -> None:
    make_service()
    make_service(id="cart", name="Cart", parent_id="payments")
    make_service(id="old", name="Old", archived_at=timezone.now())

    for parent, words in (("cart", "payments → cart → payments"), ("old", "Select a valid choice")):
        page = admin.client.post(f"{LIST}payments/change/", {**FORM, "parent": parent}).content.decode()
        assert words in page

    assert Service.objects.get(id="payments").parent_id is None
