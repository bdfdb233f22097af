import io
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from database import changes
from monitoring.catalogue.service_keys import FAULTS
from monitoring.catalogue.services_file import sync_file
from monitoring.catalogue.sync import Refused
from monitoring.models import Service
from monitoring.models.services import phase_of

pytestmark = pytest.mark.django_db

PAYMENTS = """\
services:
  - id: payments
    name: Payments
    endpoint_url: https://pay.example.com/health
    timeout: 5000
"""


def sync(text: str) -> str:
    return str(sync_file(text.encode()))


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(Refused) as refused:
        sync_file(text.encode() if isinstance(text, str) else text)
    return [f"{problem.line}: {problem}" for problem in refused.value.problems]


def problem_of(line: str) -> str:
    """Return what is said of one more line in a file that is right otherwise."""
    (problem,) = problems(f"{PAYMENTS}    {line}\n")
    return problem


def many(count: int, timeout: int = 5000) -> bytes:
    lines = (
        f"  - id: service-{number}\n    name: Service {number}\n    endpoint_url: https://example.com/{number}\n"
        f"    display_name: 서비스 {number}\n    check_interval: 30000\n    timeout: {timeout}\n"
        for number in range(count)
    )
    return f"services:\n{''.join(lines)}".encode()


def test_a_service_needs_an_id_a_name_and_a_url() -> None:
    assert sync(PAYMENTS) == "1 created, 0 updated, 0 unchanged"

    service = Service.objects.get()
    assert (service.id, service.display_name, service.status) == ("payments", "Payments", "nd")
    assert (service.check_interval, service.timeout, service.is_active) == (60_000, 5_000, True)
    assert (service.phase_ms, service.version) == (phase_of("payments", 60_000), 1)


def test_every_column_can_be_written() -> None:
    sync(
        """
services:
  - {id: a, display_name: 결제, description: Pays., endpoint_url: http://10.0.0.5, check_interval: 1000,
     timeout: 900, is_active: false, regions: [seoul, tokyo], quorum: 2, is_critical: true,
     incident_mode: publish,
     metadata: {team: {mail: [a, 1, 2.5, null]}}}
"""
    )

    service = Service.objects.get()
    assert (service.name, service.display_name, service.description) == ("결제", "결제", "Pays.")
    assert (service.check_interval, service.timeout, service.is_active) == (1000, 900, False)
    assert (service.regions, service.quorum, service.is_critical) == (["seoul", "tokyo"], 2, True)
    assert service.incident_mode == "publish"
    assert service.metadata == {"team": {"mail": ["a", 1, 2.5, None]}}


def test_twice_is_once() -> None:
    sync(PAYMENTS)
    before, counter = Service.objects.values().get(), changes.current("page")

    assert sync(PAYMENTS) == "0 created, 0 updated, 1 unchanged"
    assert Service.objects.values().get() == before
    assert changes.current("page") == counter


def test_a_change_is_told_and_counted() -> None:
    sync(PAYMENTS)
    counter = changes.current("page")

    told = sync(PAYMENTS.replace("5000", "3000"))

    assert told == "0 created, 1 updated (payments: timeout 5000 → 3000), 0 unchanged"
    assert changes.current("page") == counter + 1


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("check_interval: 10000", 2),
        ("regions: [seoul]", 2),
        ("description: Takes money", 1),
        ("is_critical: true", 1),
        ("metadata: {team: money}", 1),
    ],
)
def test_the_version_grows_only_when_a_probe_must_know(line: Any, version: Any) -> None:
    sync(PAYMENTS)

    sync(f"{PAYMENTS}    {line}\n")

    assert Service.objects.get().version == version


def test_the_phase_follows_the_interval() -> None:
    sync(PAYMENTS)

    sync(f"{PAYMENTS}    check_interval: 1000\n")

    assert Service.objects.get().phase_ms == phase_of("payments", 1000)


def test_keys_left_out_stay_as_they_are() -> None:
    sync(PAYMENTS)
    Service.objects.update(description="by hand", display_name="결제", status="o")

    assert sync(PAYMENTS.replace("    timeout: 5000\n", "")) == "0 created, 0 updated, 1 unchanged"
    sync(PAYMENTS.replace("Payments", "Payments API"))

    service = Service.objects.get()
    assert (service.description, service.status) == ("by hand", "o")
    assert (service.name, service.display_name) == ("Payments API", "결제")


def test_a_display_name_that_followed_goes_on_following() -> None:
    sync(PAYMENTS)

    sync(PAYMENTS.replace("Payments", "Payments API"))

    assert Service.objects.get().display_name == "Payments API"


def test_services_that_the_file_does_not_name_stay() -> None:
    sync(PAYMENTS)

    assert sync("services: []") == "0 created, 0 updated, 0 unchanged"
    assert Service.objects.count() == 1


def test_an_archived_service_that_is_named_again_is_restored(django_capture_on_commit_callbacks: Any) -> None:
    sync(PAYMENTS)
    created_at = Service.objects.get().created_at
    Service.objects.update(archived_at=created_at)

    assert sync(PAYMENTS) == "0 created, 1 updated (payments: restored), 0 unchanged"
    service = Service.objects.get()
    assert (service.archived_at, service.created_at) == (None, created_at)


def test_two_services_may_swap_their_names() -> None:
    text = "services:\n- {id: a, name: One, endpoint_url: http://a}\n- {id: b, name: Two, endpoint_url: http://b}\n"
    sync(text)

    sync(text.replace("One", "Three").replace("Two", "One").replace("Three", "Two"))

    assert dict(Service.objects.values_list("id", "name")) == {"a": "Two", "b": "One"}


def test_all_problems_are_told_at_once_and_nothing_is_changed() -> None:
    sync(PAYMENTS)
    Service.objects.create(id="other", name="Taken", display_name="Taken", endpoint_url="http://other")
    before = list(Service.objects.order_by("id").values())

    found = problems(
        """\
services:
  - id: payments
    name: Paid
    endpoint_url: https://pay.example.com/health
    check_interval: 500
  - id: second
    name: Taken
    endpoint_url: ftp://files.example.com
    time_out: 5000
    is_active: "yes"
  - id: second
    name: Third
    endpoint_url: https://third.example.com
    check_interval: 60
    timeout: 5
    timeout: 6
    status: o
  - name: 404
"""
    )

    assert found == [
        "5: check_interval: 500 is less than 1000 (1 s). If you meant seconds, enter milliseconds: 500000.",
        '7: name: "Taken" is already the name of the service other. Choose another name.',
        "8: endpoint_url: 'ftp://files.example.com' is not a URL that can be checked."
        " Enter a full URL, for example https://api.example.com/health",
        "9: time_out: unknown key. Did you mean timeout? Available: id, name, display_name, description,"
        " endpoint_url, check_interval, timeout, is_active, regions, quorum, is_critical, incident_mode,"
        " failure_threshold, recovery_threshold, group, parent, tags, check, metadata.",
        '10: is_active: "yes" is text, not true or false. Enter true or false.',
        '11: id: "second" is the id of the service in line 6 too. Ids must be unique.',
        "14: check_interval: 60 is less than 1000 (1 s). If you meant seconds, enter milliseconds: 60000.",
        "16: timeout: it is listed twice in this service. Keep one of them.",
        "17: status: the monitor sets this itself. Remove the line.",
        "18: endpoint_url: it is missing. Enter the URL to check.",
        "18: id: it is missing. Enter a short unique id, for example payments.",
    ]
    assert list(Service.objects.order_by("id").values()) == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("check_interval: 90000000", "90000000 is more than 86400000 (86400 s). Enter 86400000 milliseconds or less."),
        ("check_interval: 60s", "60s is text, not a whole number. Enter digits only, without unit or quotes."),
        ("check_interval: 1.5", "1.5 is a number, not a whole number. Enter digits only, without unit or quotes."),
        ("check_interval: 99999999999", "99999999999 is out of range."),
        ("check_interval: -1", "-1 is less than 1000 (1 s). Enter 1000 milliseconds or more."),
        ("description:", "it is empty. Enter a value, or remove the line."),
        ("description: null", "it is empty. Enter a value, or remove the line."),
        ("description: [a]", "the list is a list, not text."),
        ("description: !!timestamp 2025-01-01", "could not determine a constructor"),
        ("incident_mode: on", '"on" is not a mode. Available: draft, publish, off.'),
        ("incident_mode: drafts", '"drafts" is not a mode. Did you mean draft? Available: draft, publish, off.'),
        ("incident_mode: false", "false is true or false, not a mode. Enter draft, publish or off."),
        ("is_critical: yes", "yes is text, not true or false. Enter true or false."),
        ("check_interval: 1e3", "1e3 is a number, not a whole number."),
        ("check_interval: 1_000", "1_000 is text, not a whole number."),
        (r'description: "a\0b"', r'"a\u0000b" contains a character that cannot be stored. Remove it.'),
        ("regions: seoul", "seoul is text, not a list of names. Write [seoul, tokyo]."),
        ("regions: []", "[]: This field cannot be blank."),
        ("quorum: 2", "2: The quorum must be between 1 and the number of regions."),
        ("metadata: {[1]: one}", "a key is a list or a mapping, not text."),
        ("metadata: {ratio: .nan}", "a number in it is infinite or none at all (.inf, .nan). Put it in quotes."),
        ("metadata: {flag: !!bool yes}", "it is not of the type bool."),
        ("metadata: {a: 1, a: 2}", "the mapping: the key a is listed twice."),
        ("url: http://a", "unknown key. Did you mean endpoint_url? Available: id,"),
        ("phase_ms: 5", "the monitor sets this itself. Remove the line."),
        ("check_interval: 0x" + "f" * 9999, "is out of range."),
        ("check_interval: " + "9" * 9999, "Put it in quotes if it is text."),
        ("description: !!python/name:os.system x", "could not determine a constructor"),
    ],
)
def test_a_wrong_value_is_told_with_its_line_and_a_remedy(line: Any, said: Any) -> None:
    found = problem_of(line)

    assert found.startswith(f"6: {line.partition(':')[0]}: ")
    assert said in found
    assert len(found) < 300
    assert not Service.objects.exists()


BILLION_LAUGHS = "".join(
    f"x-{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefghi")
)
DEEPER = "x-a: &a {}\n".format("[" * 15 + "]" * 15) + f"x-b: {'[' * 15}*a{']' * 15}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services:\n  - id: [a\n", "3: YAML: while parsing a flow sequence, did not find expected ',' or ']'."),
        ("", "1: services: the file has no such key. Begin with `services:`"),
        ("- id: a", "1: services: the file has no such key."),
        ("services:\n", "1: services: there is no list under it."),
        ("services: []\nservice: []\n", "2: service: unknown key. Did you mean services?"),
        ("services:\n  - payments\n", "2: services: payments is not a service."),
        ("services: []\n---\nservices: []\n", "2: YAML: expected a single document in the stream"),
        ("services: &a [*a]\n", "1: YAML: an alias in it leads back to itself. Write the value instead."),
        (f"x-a: &a [{'0, ' * 9}]\n" + BILLION_LAUGHS, "1: YAML: it has more than 1000000 values once its aliases"),
        (f"{DEEPER}services: []\n", "it is nested more than 20 levels deep"),
        ("services:\n- <<: 5\n", "2: YAML: << is followed by something other than a mapping. Write `<<: *name`."),
        ("services: " + "[" * 100_000, "1: YAML: it is nested more than 20 levels deep."),
        ("services: []\n# \x07\n", "2: YAML: "),
        (b"services: []\n# \xff\n", "2: YAML: it is not UTF-8 text. Save the file as UTF-8."),
        (b" " * (16 * 1024 * 1024 + 1), "1: YAML: more than 16 MiB cannot be read. Split the file."),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_the_line(text: Any, said: Any) -> None:
    assert said in problems(text)[0]


def test_an_id_is_a_slug_without_a_line_break() -> None:
    text = PAYMENTS.replace("id: payments", r'id: "payments\n"')

    assert problems(text) == [
        r'2: id: "payments\n": Use lowercase letters, digits and single hyphens, for example id-recognition.'
    ]


def test_a_name_may_be_there_only_once() -> None:
    text = "services:\n- {id: a, name: One, endpoint_url: http://a}\n- {id: b, name: One, endpoint_url: http://b}\n"

    assert problems(text) == ['3: name: "One" is already the name of the service a. Choose another name.']


@pytest.mark.parametrize("prepare", [b"services: []", None])
def test_the_number_of_queries_does_not_grow_with_the_services(prepare: Any) -> None:
    """Once for creating, once for updating every one of them."""
    counts = []
    for count in (10, 1000):
        sync_file(prepare or many(count, timeout=1000))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            sync_file(many(count))
        counts.append(len(queries))
        Service.objects.all().delete()

    assert counts[0] == counts[1] <= 8


def test_the_consumers_are_nudged_only_after_a_change(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks() as first:
        sync(PAYMENTS)
    with django_capture_on_commit_callbacks() as second:
        sync(PAYMENTS)

    assert [callback.__name__ for callback in first].count("nudge_all") == 1
    assert second == []


def test_the_command_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PAYMENTS.encode())))

    call_command("sync_services", "-")

    assert capsys.readouterr().out == "1 created, 0 updated, 0 unchanged\n"


def test_the_command_names_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(PAYMENTS.replace("5000", "5"))

    with pytest.raises(CommandError, match=r"1 problem in .*; nothing was changed"):
        call_command("sync_services", str(file))

    assert capsys.readouterr().err.startswith(f"{file}:5: timeout: 5 is less than 100 (0.1 s). If you meant seconds")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"Cannot read .*: No such file"):
        call_command("sync_services", str(tmp_path / "none.yaml"))


def test_each_key_of_a_service_has_its_line_in_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "checks.md").read_text()
    part = text.partition("\n## A service\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", part, re.MULTILINE)

    assert {key for line in lines for key in re.findall(r"\w+", line)} == FAULTS.keys()
