"""Services over the API: the same rules and words as in services files and in the admin, and all or nothing."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.tests.cast import Person, make_person
from monitoring.api.tests.api_client import Program, error_of, fields_of
from monitoring.catalogue.services_file import sync_file
from monitoring.catalogue.sync import Refused
from monitoring.config import sealing
from monitoring.models import Service, ServiceState, Span
from monitoring.tests.factories import make_checked, make_service
from observability.masking import mask_text

pytestmark = pytest.mark.django_db
NEW = {"id": "payments", "name": "Payments", "endpoint_url": "https://pay.example/health"}
SECRET = "tr0ub4dor"


@pytest.fixture(autouse=True)
def no_limit(settings: Settings) -> None:
    settings.API_RATE_LIMIT = 0


@pytest.fixture
def program(admin: Person) -> Program:
    return Program.of(admin)


def make_with_secret(program: Program) -> str:
    """Make a service with a secret and return its tag."""
    check = {"headers": {"Authorization": {"secret": SECRET}}}
    response = program.post("services", {**NEW, "check": check})
    assert response.status_code == 201, response.content
    return response.headers["ETag"]


# --- Making and reading ---------------------------------------------------------------------------------------------


def test_a_service_is_made_with_the_usual_settings(program: Any) -> None:
    response = program.post("services", NEW)

    assert response.status_code == 201
    assert response.headers["Location"] == "http://testserver/api/v1/services/payments"
    made = response.json()
    assert (made["display_name"], made["check_interval"], made["check"]) == ("Payments", 60_000, {"kind": "http"})
    assert program.get("services/payments").json() == made
    assert program.get("services/payments").headers["ETag"] == response.headers["ETag"]
    service = Service.objects.get()
    assert (service.is_active, service.phase_ms is not None) == (True, True)


def test_a_whole_service_can_be_written(program: Any) -> None:
    whole = {
        **NEW,
        "display_name": "결제",
        "description": "Cards",
        "check": {"kind": "tcp", "send": "PING\\r\\n", "expect": "PONG"},
        "endpoint_url": "tcp://pay.example:443",
        "check_interval": 5_000,
        "timeout": 700,
        "regions": ["seoul", "tokyo"],
        "quorum": 2,
        "is_critical": True,
        "incident_mode": "publish",
        "failure_threshold": 3,
        "recovery_threshold": 2,
        "group": "Money",
        "tags": ["core"],
        "metadata": {"team": "pay"},
    }

    response = program.post("services", whole)

    assert response.status_code == 201, response.content
    made = response.json()
    assert {name: made[name] for name in whole} == whole


def test_an_id_that_is_taken_is_a_conflict(program: Any) -> None:
    make_service("payments")

    assert error_of(program.post("services", NEW)) == (409, "SERVICE_EXISTS")


def test_an_archived_service_is_restored_and_not_made_again(program: Any) -> None:
    make_service("payments")
    assert program.delete("services/payments").status_code == 204

    assert error_of(program.post("services", NEW)) == (409, "SERVICE_ARCHIVED")
    assert error_of(program.patch("services/payments", {"description": "x"})) == (409, "SERVICE_ARCHIVED")
    assert program.get("services/payments").json()["archived_at"] is not None
    assert [program.get(f"services{query}").json()["items"] == [] for query in ("", "?is_archived=true")] == [
        True,
        False,
    ]
    assert program.post("services/payments/restore").json()["archived_at"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"check_interval": 60},
        {"check_interval": "60 s"},
        {"timeout": True},
        {"endpoint_url": "ftp://pay.example/"},
        {"endpoint_url": "https://user:word@pay.example/"},
        {"regions": "seoul"},
        {"regions": []},
        {"quorum": 3},
        {"is_active": "yes"},
        {"tags": ["a", "a"]},
        {"parent": "nobody"},
        {"parent": "payments"},
        {"metadata": []},
        {"name": ""},
        {"name": "x" * 101},
        {"name": "taken"},
        {"id": "Pay ments"},
        {"id": [7]},
        {"group": None},
        {"failure_threshold": 0},
        {"check": "http"},
        {"check": {"kind": "htpp"}},
        {"check": {"method": "FETCH", "follow": True}},
        {"check": {"expected_status": ["2xy"]}},
        {"check": {"headers": {"Host": ["a"]}}},
        {"check": {"kind": "dns"}},
        {"chek": {}},
        {"status": "o"},
    ],
    ids=str,
)
def test_what_a_file_is_told_a_program_is_told(program: Any, wrong: Any) -> None:
    """One rule, one sentence: the problems of a services file come with lines, and else are the same."""
    import yaml

    make_service("other", name="taken")
    wanted = {**NEW, **wrong}

    with pytest.raises(Refused) as in_file:
        sync_file(yaml.safe_dump({"services": [wanted]}).encode())
    told = fields_of(program.post("services", wanted))

    def plain(text: str) -> str:
        return text.replace('"', "")  # a file tells text without quotes where it was written so

    assert {(key, plain(what)) for key, each in told.items() for what in each} == {
        (problem.key, plain(mask_text(problem.what))) for problem in in_file.value.problems
    }
    assert not Service.objects.filter(id="payments").exists()


def test_everything_wrong_is_said_at_once(program: Any) -> None:
    wrong = {"endpoint_url": "nowhere", "check_interval": 1, "check": {"verify_tls": 1}, "colour": "red"}

    told = fields_of(program.post("services", wrong))

    assert set(told) == {"id", "name", "endpoint_url", "check_interval", "check.verify_tls", "colour"}
    assert told["id"] == ["it is missing. Enter a short unique id, for example payments."]


# --- Changing ---------------------------------------------------------------------------------------------------------


def test_a_patch_leaves_what_it_does_not_name(program: Any) -> None:
    program.post("services", {**NEW, "tags": ["core"], "timeout": 900})

    changed = program.patch("services/payments", {"description": "Cards"}).json()

    assert (changed["description"], changed["tags"], changed["timeout"]) == ("Cards", ["core"], 900)
    assert changed["version"] == 1, "a probe need not know a description"
    assert program.patch("services/payments", {"timeout": 800}).json()["version"] == 2


def test_a_put_gives_what_it_leaves_out_its_default_but_ends_no_pause(program: Any) -> None:
    program.post("services", {**NEW, "tags": ["core"], "timeout": 900, "check": {"method": "HEAD"}})
    program.post("services/payments/pause", {"reason": "moving"})

    changed = program.put("services/payments", {**NEW, "name": "Pay"}, if_match="*").json()

    assert (changed["tags"], changed["timeout"], changed["check"]) == ([], 5_000, {"kind": "http"})
    assert (changed["name"], changed["display_name"], changed["is_active"]) == ("Pay", "Pay", False)


def test_what_was_read_can_be_put_back(program: Any) -> None:
    tag = make_with_secret(program)
    shown = program.get("services/payments").json()

    response = program.put("services/payments", shown, if_match=tag)

    assert (response.status_code, response.json()) == (200, shown)
    assert response.headers["ETag"] == tag


def test_what_was_read_of_a_heartbeat_can_be_put_back(program: Any) -> None:
    check = {"kind": "heartbeat", "period": 60}
    made = program.post("services", {"id": "jobs", "name": "Jobs", "endpoint_url": None, "check": check})
    assert (made.status_code, made.json()["endpoint_url"]) == (201, None), made.content

    response = program.put("services/jobs", made.json(), if_match=made.headers["ETag"])

    assert (response.status_code, response.json()) == (200, made.json())


def test_what_the_monitor_keeps_by_itself_is_not_changed_by_others(program: Any) -> None:
    make_service("payments")

    told = fields_of(program.patch("services/payments", {"status": "o", "version": 9}))

    assert told == {key: ["the monitor sets this itself. Remove the line."] for key in ("status", "version")}


def test_an_id_is_for_good(program: Any) -> None:
    make_service("payments")

    assert "An id cannot be changed" in fields_of(program.patch("services/payments", {"id": "pay"}))["id"][0]


# --- Secrets ----------------------------------------------------------------------------------------------------------


def test_secrets_are_never_returned_and_stay_as_dots(program: Any) -> None:
    tag = make_with_secret(program)

    shown = program.put("services/payments", program.get("services/payments").json(), if_match=tag)
    patched = program.patch("services/payments", {"description": "Cards"})
    refused = program.patch("services/payments", {"check": {"headers": {"Authorization": {"secret": SECRET}}, "x": 1}})
    listed = program.get("services")

    for response in (shown, patched, refused, listed):
        content = response.content.decode()
        assert SECRET not in content and sealing.PREFIX not in content
    service = Service.objects.get()
    stored = service.check_settings["headers"]["Authorization"]["secret"]
    assert sealing.unseal(stored, service.place.at("headers.Authorization")) == SECRET


def test_dots_where_no_secret_is_are_refused(program: Any) -> None:
    check = {"headers": {"Authorization": {"secret": sealing.MASK}}}

    assert (
        "no stored secret"
        in fields_of(program.post("services", {**NEW, "check": check}))["check.headers.Authorization"][0]
    )


def test_how_a_service_is_checked_is_for_those_who_may_see_it(program: Any, viewer: Person) -> None:
    make_with_secret(program)

    one = Program.of(viewer).get("services/payments").json()
    listed = Program.of(viewer).get("services").json()["items"][0]

    assert one == listed
    assert set(one) == {
        "id",
        "name",
        "display_name",
        "description",
        "group",
        "parent",
        "tags",
        "is_critical",
        "is_active",
        "status",
        "created_at",
        "updated_at",
        "archived_at",
    }


# --- Tags -------------------------------------------------------------------------------------------------------------


def test_a_put_needs_the_tag_that_it_is_meant_for(program: Any) -> None:
    make_service("payments")
    tag = program.get("services/payments").headers["ETag"]
    put = {"name": "Pay", "endpoint_url": "https://pay.example/"}

    missing = program.put("services/payments", put)
    assert error_of(missing) == (428, "PRECONDITION_REQUIRED") and missing.headers["ETag"] == tag
    assert error_of(program.put("services/payments", put, if_match='"other"')) == (412, "PRECONDITION_FAILED")
    assert error_of(program.put("services/payments", put, if_match=f"W/{tag}")) == (412, "PRECONDITION_FAILED")
    assert error_of(program.put("services/payments", put, if_match="other")) == (400, "MALFORMED_REQUEST")
    assert program.put("services/payments", put, if_match=f'"other", {tag}').status_code == 200
    late = program.put("services/payments", put, if_match=tag)
    assert error_of(late) == (412, "PRECONDITION_FAILED")
    assert late.json()["error"]["details"]["etag"] == program.get("services/payments").headers["ETag"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "services/payments", {"description": "x"}),
        ("DELETE", "services/payments", None),
        ("POST", "services/payments/pause", {"reason": "x"}),
        ("POST", "services/payments/resume", None),
        ("POST", "services/payments/restore", None),
    ],
)
def test_other_changes_heed_a_tag_where_there_is_one(program: Any, method: Any, path: Any, body: Any) -> None:
    make_service("payments")
    before = Service.objects.values().get()

    assert error_of(program.call(method, path, body, if_match='"other"')) == (412, "PRECONDITION_FAILED")
    assert Service.objects.values().get() == before
    tag = program.get("services/payments").headers["ETag"]
    assert program.call(method, path, body, if_match=tag).status_code in (200, 204)


def test_a_tag_saves_reading_again(program: Any) -> None:
    make_checked("payments", "o")
    tag = program.get("services/payments").headers["ETag"]

    same = program.get("services/payments", if_none_match=tag)
    ServiceState.objects.update(status="mo")
    other = program.get("services/payments", if_none_match=tag)

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert (other.status_code, other.json()["status"]) == (200, "mo")


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_for_one_tag_at_once_one_is_made() -> None:
    program = Program.of(make_person("admin"))
    make_service("payments")
    tag = program.get("services/payments").headers["ETag"]
    together = Barrier(2)

    def change(description: str) -> int:
        together.wait()
        try:
            return int(program.patch("services/payments", {"description": description}, if_match=tag).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(("one", "other"), pool.map(change, ("one", "other")), strict=True))

    assert sorted(found.values()) == [200, 412]
    assert found[Service.objects.get().description] == 200


# --- Pausing, archiving, checking at once ----------------------------------------------------------------------------


def test_a_pause_keeps_who_began_it_and_why(program: Any, admin: Person) -> None:
    make_service("payments")

    paused = program.post("services/payments/pause", {"reason": "deploying 2.4"})
    again = program.post("services/payments/pause", {"reason": "once more"})

    span = Span.objects.get()
    assert (span.reason, span.author, span.until) == ("deploying 2.4", admin.user, None)
    assert [response.json()["is_active"] for response in (paused, again)] == [False, False]
    assert program.post("services/payments/resume").json()["is_active"] is True
    assert Span.objects.filter(until=None).count() == 0


def test_a_pause_by_patch_keeps_who_began_it_too(program: Any, admin: Person) -> None:
    make_service("payments")

    program.patch("services/payments", {"is_active": False})

    assert (Span.objects.get().author, Span.objects.get().reason) == (admin.user, "API")


@pytest.mark.parametrize(
    "body", [None, {}, {"reason": ""}, {"reason": 7}, {"reason": "a\0b"}, {"reason": "x" * 501}, []]
)
def test_a_pause_needs_a_reason(program: Any, body: Any) -> None:
    make_service("payments")

    assert error_of(program.post("services/payments/pause", body)) == (422, "VALIDATION_FAILED")
    assert not Span.objects.exists()


def test_archiving_twice_is_archiving_once(program: Any) -> None:
    make_service("payments")

    assert [program.delete("services/payments").status_code for _ in range(2)] == [204, 204]
    assert Service.objects.get().archived_at is not None


def test_checking_now_tells_every_phase_and_stores_nothing(program: Any) -> None:
    from monitoring.models import WatchServerLog

    make_service("payments", endpoint_url="http://127.0.0.1:9/")

    found = program.post("services/payments/check_now").json()

    assert (found["verdict"], found["error_type"]) == ("bad", "connection_error")
    assert "refused" in found["error_message"]
    assert found["requests"][0]["phases"]["total_ms"] >= 0
    assert not WatchServerLog.objects.exists()


def test_what_reports_to_us_cannot_be_checked_now(program: Any) -> None:
    make_service("jobs", kind="heartbeat", endpoint_url=None, check_settings={"period": 60})

    assert error_of(program.post("services/jobs/check_now")) == (409, "NOT_PROBED")


def test_only_so_many_wait_for_checks_at_once(program: Any) -> None:
    from monitoring.engine.check_now import _seats

    make_service("payments", endpoint_url="http://127.0.0.1:9/")
    taken = [_seats.acquire(blocking=False) for _ in range(2)]
    try:
        refused = program.post("services/payments/check_now")
    finally:
        for _ in taken:
            _seats.release()

    assert error_of(refused) == (429, "TOO_MANY_CHECKS") and refused.headers["Retry-After"] == "2"
    assert program.post("services/payments/check_now").status_code == 200


# --- Bodies that are none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        ("{", "application/json", (400, "MALFORMED_REQUEST")),
        ('{"id": NaN}', "application/json", (400, "MALFORMED_REQUEST")),
        ('{"id": "a", "id": "b"}', "application/json", (400, "MALFORMED_REQUEST")),
        (
            f"{{{','.join(f'{n!r}:1' for n in map(str, range(60_000)))},'59999':2}}".replace("'", '"'),
            "application/json",
            (400, "MALFORMED_REQUEST"),
        ),
        (b"\xff\xfe", "application/json", (400, "MALFORMED_REQUEST")),
        ("[" * 100_000, "application/json", (400, "MALFORMED_REQUEST")),
        ("9" * 5_000, "application/json", (400, "MALFORMED_REQUEST")),
        ("[]", "application/json", (422, "VALIDATION_FAILED")),
        ("null", "application/json", (422, "VALIDATION_FAILED")),
        ("", "application/json", (422, "VALIDATION_FAILED")),
        ("id: payments", "application/yaml", (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("id=payments", "application/x-www-form-urlencoded", (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("[" + "1," * 2_000_000 + "1]", "application/json", (413, "PAYLOAD_TOO_LARGE")),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_body_that_is_none_is_refused(program: Any, body: Any, kind: Any, expected: Any) -> None:
    assert error_of(program.post("services", body, content_type=kind)) == expected
    assert not Service.objects.exists()


@pytest.mark.parametrize("value", ["a\0b", "\ud800", 1e400, 10**400])
def test_what_cannot_be_stored_is_refused(program: Any, value: Any) -> None:
    body = {**NEW, "metadata": {"key": value}}

    assert program.post("services", body).status_code in (400, 422)
    assert program.post("services", {**NEW, "name": value}).status_code in (400, 422)


# --- Once -------------------------------------------------------------------------------------------------------------


def test_a_service_is_made_once_however_often_the_request_is_sent(program: Any) -> None:
    first = program.post("services", NEW, idempotency_key="deploy-7")
    again = program.post("services", NEW, idempotency_key="deploy-7")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json() and again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_key_means_nothing_to_another_token(program: Any, admin: Person) -> None:
    other = Program.of(admin)
    program.post("services", NEW, idempotency_key="deploy-7")

    assert error_of(other.post("services", NEW, idempotency_key="deploy-7")) == (409, "SERVICE_EXISTS")


def test_a_stored_answer_is_for_nobody_whose_token_is_over(program: Any) -> None:
    from accounts.models import ApiToken

    program.post("services", NEW, idempotency_key="deploy-7")
    ApiToken.objects.update(revoked_at=timezone.now())

    assert error_of(program.post("services", NEW, idempotency_key="deploy-7")) == (401, "TOKEN_REVOKED")
