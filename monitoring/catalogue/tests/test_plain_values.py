"""Plain values are read by the core schema of YAML 1.2, and kept as written where text is expected."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from monitoring.admin_site import check_fields
from monitoring.catalogue.services_file import sync_file
from monitoring.catalogue.sync import Refused
from monitoring.config.yaml_core import dump
from monitoring.config.yaml_lines import Unreadable, compose, construct
from monitoring.models import Service

HEAD = "services:\n  - id: payments\n    name: Payments\n    endpoint_url: https://pay.example.com/\n"
# Each is something else than text in YAML 1.1 or 1.2, and none is in quotes.
GUESSED = [
    "on", "off", "yes", "no", "y", "n", "true", "False", "12:30", "1:20:30",
    "0123", "089", "0o17", "0x1F", "1.20", "1e3", "1_000", "+5", "-0", ".5", "5.", ".inf", "~", "2025-01-01", "=",
]  # fmt: skip

PLAIN_TEXT = [
    "on", "off", "yes", "no", "Yes", "y", "n", "12:30", "1:20:30", "1_000", "0b11", "2025-01-01", "-0x1", "0X1F", "0O7",
    "tRUE", "=",
]  # fmt: skip


def sync(lines: str) -> Service:
    sync_file((HEAD + lines).encode(), variables={})
    return Service.objects.get()


def refusal(lines: str) -> str:
    with pytest.raises(Refused) as refused:
        sync(lines)
    return "; ".join(f"{problem.line}: {problem}" for problem in refused.value.problems)


def read(text: str) -> Any:
    node = compose(text.encode())
    assert node is not None
    return construct(node)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, text) for text in PLAIN_TEXT),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        *((text, None) for text in ("null", "Null", "NULL", "~")),
        *(("0123", 123), ("089", 89), ("0o17", 15), ("0x1F", 31), ("+5", 5), ("-12", -12)),
        *(("1.20", 1.2), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-1.5E-2", -0.015), ("-.inf", float("-inf"))),
    ],
)  # fmt: skip
def test_plain_values_are_those_of_the_core_schema(text: str, value: Any) -> None:
    found = read(text)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.django_db
@pytest.mark.parametrize("text", GUESSED)
def test_where_text_is_expected_it_is_kept_as_written(text: str) -> None:
    service = sync(
        f"    description: {text}\n    group: {text}\n    tags: [{text}, 'x']\n    check:\n      method: POST\n"
        f"      body: {text}\n      headers: {{X-Build: {text}}}\n      keyword_present: {text}\n"
        f"      keyword_absent: [{text}x, {text}]\n"
    )

    assert (service.description, service.group_name, service.tags) == (text, text, [text, "x"])
    assert service.check_settings == {
        "method": "POST",
        "body": text,
        "headers": {"X-Build": text},
        "keyword_present": text,
        "keyword_absent": [f"{text}x", text],
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "value"),
    [("on", "on"), ("12:30", "12:30"), ("0123", "0123"), ("0x1F", "0x1F"), ("'1.20'", "1.20"), ("1.5", 1.5), ("7", 7),
     ("true", True), ("null", None), ('"7"', "7"), ("2025-01-01", "2025-01-01")],
)  # fmt: skip
def test_the_value_in_json_is_a_number_only_as_json_writes_it(text: str, value: Any) -> None:
    service = sync(f"    check:\n      json_equals: {{path: $.v, value: {text}}}\n")

    assert service.check_settings["json_equals"]["value"] == value


@pytest.mark.django_db
@pytest.mark.parametrize(("text", "number"), [("1.20", "1.2"), ("1e3", "1000.0"), ("-0", "0")])
def test_what_may_be_a_number_or_text_in_json_is_refused(text: str, number: str) -> None:
    words = f'{text} may be the number {number} or text. Write {number} or "{text}".'

    assert words in refusal(f"    check:\n      json_equals:\n        - path: $.v\n          value: {text}\n")


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["1e400", "-1e400"])
def test_a_number_that_json_cannot_have_is_not_called_infinity(text: str) -> None:
    words = f'{text} is too large for a number. Write "{text}" if it is text'

    assert words in refusal(f"    check:\n      json_equals:\n        - path: $.v\n          value: {text}\n")


@pytest.mark.django_db
def test_a_key_is_text_as_written() -> None:
    service = sync("    metadata: {on: 1, 0123: 2, 1.20: 3, ~: 4, null: 5, 12:30: 6}\n")

    assert service.metadata == {"on": 1, "0123": 2, "1.20": 3, "~": 4, "null": 5, "12:30": 6}


@pytest.mark.django_db
def test_refused_values_show_what_is_written() -> None:
    assert '"1e3" is not a whole number' in refusal("    check: {degraded_over_ms: 1e3}\n")
    assert '"007" is not a status' in refusal("    check: {expected_status: [007]}\n")
    assert "0 is out of range" in refusal("    check: {degraded_over_ms: 0}\n")
    assert '"12:30" is not a duration' in refusal("    check: {kind: heartbeat, period: 12:30}\n")


@pytest.mark.django_db
def test_anchors_aliases_and_merge_keys() -> None:
    text = """\
x-slow: &slow
  timeout: 9000
  tags: [slow]
  check: &check {kind: http, headers: &headers {X-Build: 1.20}}
services:
  - <<: *slow
    id: a
    name: A
    endpoint_url: http://a.example
  - <<: [{timeout: 700}, *slow]
    id: b
    name: B
    endpoint_url: http://b.example
    check: {<<: *check, headers: {<<: *headers, X-Build: "3"}}
"""
    sync_file(text.encode(), variables={})

    a, b = Service.objects.order_by("id")
    assert (a.timeout, a.tags, a.check_settings) == (9000, ["slow"], {"headers": {"X-Build": "1.20"}})
    assert (b.timeout, b.tags, b.check_settings) == (700, ["slow"], {"headers": {"X-Build": "3"}})


@pytest.mark.django_db
def test_a_problem_of_an_alias_has_the_line_of_the_value() -> None:
    assert refusal("    timeout: &t 5\n    check_interval: *t\n").startswith("5: check_interval: 5 is less than 1000")


@pytest.mark.django_db
def test_a_secret_under_an_alias_is_sealed_at_each_place() -> None:
    text = HEAD + "    check: &c {headers: {Authorization: 'Bearer ${SERVICE_X}'}}\n"
    text += "  - {id: b, name: B, endpoint_url: http://b.example, check: *c}\n"
    sync_file(text.encode(), variables={"SERVICE_X": "planted"})

    stored = json.dumps(list(Service.objects.values_list("check_settings", flat=True)))
    assert stored.count('"secret"') == 2 and "planted" not in stored


@pytest.mark.django_db
def test_a_form_reads_plain_values_alike() -> None:
    typed = {
        "http__headers": "X-Build: 0123",
        "http__keyword_present": "1.20",
        "http__json_equals": "{path: $.v, value: on}",
    }

    assert check_fields.written("http", typed, {}) == {
        "headers": {"X-Build": "0123"},
        "keyword_present": "1.20",
        "json_equals": {"path": "$.v", "value": "on"},
    }


any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40) | st.sampled_from(
    GUESSED
)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(any_json, st.booleans())
def test_what_we_write_is_read_back_as_the_same(value: Any, on_one_line: bool) -> None:
    found = read(dump(value, on_one_line=on_one_line))

    assert json.dumps(found) == json.dumps(value)


@given(any_text)
def test_plain_or_quoted_a_text_is_never_another_value(text: str) -> None:
    try:
        found = read(f"key: {text}")
    except (Unreadable, AssertionError):
        return
    if isinstance(found, dict) and isinstance(found.get("key"), str):
        assert read(dump(found)) == found


@pytest.mark.django_db
@pytest.mark.parametrize("text", GUESSED)
def test_an_exported_service_is_unchanged_by_its_file(text: str) -> None:
    before = sync(
        f"    description: '{text}'\n    metadata: {{'{text}': '{text}', other: {{a: ['{text}', 1.5]}}}}\n    check:\n"
        f"      headers: {{X: '{text}'}}\n      json_equals: {{path: $.v, value: '{text}'}}\n"
    )
    out = io.StringIO()
    call_command("export_services", stdout=out)

    assert sync_file(out.getvalue().encode(), variables={}).unchanged == 1, out.getvalue()
    assert Service.objects.values("metadata", "check_settings").get() == {
        "metadata": before.metadata,
        "check_settings": before.check_settings,
    }
