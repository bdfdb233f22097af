"""The form of a service: rows of headers, hints, mistakes reported before saving, and a check before saving."""

from typing import Any

import pytest

from accounts.tests.cast import Person
from monitoring.admin_site.service_form import HINTS
from monitoring.admin_site.tests.test_service_admin import FORM, LIST
from monitoring.engine import check_now
from monitoring.models import Service, WatchServerLog
from monitoring.probes import KINDS
from monitoring.tests.factories import make_service

ROWS = {
    "http__headers__name": ["Accept", "X-Key", ""],
    "http__headers__value": ["1.20", "hunter2", ""],
    "http__headers__secret": ["", "on", ""],
}


def change(admin: Person, **values: Any) -> Any:
    return admin.client.post(f"{LIST}payments/change/", {**FORM, **values})


def stored() -> Any:
    return Service.objects.get(pk="payments").check_settings.get("headers")


def test_headers_are_entered_as_rows_and_secrets_sealed(admin: Person) -> None:
    admin.client.post(f"{LIST}add/", {**FORM, "id": "payments", **ROWS})

    assert stored()["Accept"] == "1.20"
    assert stored()["X-Key"]["secret"].startswith("sealed:2:")
    page = admin.client.get(f"{LIST}payments/change/").content.decode()
    assert 'type="password" name="http__headers__value" value="••••"' in page
    assert "hunter2" not in page


def test_dots_that_are_left_keep_the_secret_even_if_the_row_is_marked_as_text(admin: Person) -> None:
    admin.client.post(f"{LIST}add/", {**FORM, "id": "payments", **ROWS})
    before = stored()["X-Key"]

    for kind in ("on", ""):
        rows = {**ROWS, "http__headers__value": ["2", "••••", ""], "http__headers__secret": ["", kind, ""]}
        assert change(admin, **rows).status_code == 302
        assert stored() == {"Accept": "2", "X-Key": before}


def test_dots_under_another_name_are_refused(admin: Person) -> None:
    admin.client.post(f"{LIST}add/", {**FORM, "id": "payments", **ROWS})
    rows = {"http__headers__name": ["X-Other"], "http__headers__value": ["••••"], "http__headers__secret": ["on"]}

    assert "there is no stored secret to keep" in change(admin, **rows).content.decode()


def test_a_header_entered_twice_is_reported_and_stays_in_its_rows(admin: Person) -> None:
    rows = {"http__headers__name": ["A", "A"], "http__headers__value": ["1", "2"], "http__headers__secret": ["", ""]}

    page = admin.client.post(f"{LIST}add/", {**FORM, "id": "payments", **rows}).content.decode()

    assert "the key A is listed twice" in page
    assert page.count('name="http__headers__name"') == 3


@pytest.mark.parametrize("kind", list(KINDS))
def test_each_kind_has_a_hint_with_a_valid_example(kind: str) -> None:
    if KINDS[kind].needs_url:
        assert KINDS[kind].url_problem(str(HINTS[kind]).split()[-1]) is None
    assert HINTS[kind]


@pytest.mark.parametrize(("kind", "example"), [("tcp", "tcp://"), ("dns", "dns://"), ("http", "https://")])
def test_an_address_without_a_scheme_is_explained_for_its_kind(admin: Person, kind: str, example: str) -> None:
    page = admin.client.post(f"{LIST}problems/", {**FORM, "kind": kind, "endpoint_url": "db.example"})

    (words,) = page.json()["endpoint_url"]
    assert f"for example {example}" in words


def test_problems_name_fields_and_store_nothing(admin: Person) -> None:
    found = admin.client.post(f"{LIST}problems/", {**FORM, "id": "payments", "timeout": "5", "http__method": "GRAB"})

    assert set(found.json()) == {"timeout", "http__method"}
    assert not Service.objects.exists()


def test_a_form_is_tried_before_it_is_saved(admin: Person, settings: Any) -> None:
    settings.PROBE_ALLOW_PRIVATE = False
    form = {**FORM, "name": "", "endpoint_url": "tcp://127.0.0.1:1", "kind": "tcp"}

    page = admin.client.post(f"{LIST}try/?part", form).content.decode()

    assert "Not checked:" in page or "bad" in page
    assert not Service.objects.exists()
    assert not WatchServerLog.objects.exists()


def test_a_try_reports_what_must_be_corrected_first(admin: Person) -> None:
    page = admin.client.post(f"{LIST}try/", {**FORM, "timeout": "5"}).content.decode()

    assert "Correct these fields first" in page
    assert "5000" in page


def test_a_stored_secret_is_not_tried_at_another_origin(admin: Person) -> None:
    make_service(
        "payments", endpoint_url="https://payments.example/", check_settings={"headers": {"X": {"secret": "s"}}}
    )
    rows = {"http__headers__name": ["X"], "http__headers__value": ["••••"], "http__headers__secret": ["on"]}

    page = admin.client.post(f"{LIST}payments/try/", {**FORM, **rows, "endpoint_url": "https://thief.example/"})

    assert "a secret is never sent to a new origin" in page.content.decode()


@pytest.mark.parametrize("address", ["try/", "payments/try/", "problems/", "payments/problems/"])
def test_only_who_may_save_may_try(reporter: Person, viewer: Person, address: str) -> None:
    make_service("payments")

    assert reporter.client.post(f"{LIST}{address}", FORM).status_code == 403
    assert viewer.client.post(f"{LIST}{address}", FORM).status_code == 403
    assert reporter.client.get(f"{LIST}{address}").status_code in (403, 405)


def test_a_try_takes_a_seat_of_the_checks_on_request(admin: Person) -> None:
    taken = [check_now._seats.acquire(blocking=False) for _seat in range(2)]
    try:
        page = admin.client.post(f"{LIST}try/", FORM).content.decode()
    finally:
        for _seat in taken:
            check_now._seats.release()

    assert "Too many checks are running on request" in page


def test_a_clone_has_the_settings_but_neither_names_nor_secrets(admin: Person) -> None:
    settings = {"method": "POST", "headers": {"X-Key": {"secret": "hunter2"}}, "client_key": {"secret": "key"}}
    make_service("payments", check_settings=settings, tags=["eu"], timeout=2500, metadata={"a": 1})

    page = admin.client.get(f"{LIST}add/?clone=payments")
    form = page.context["adminform"].form
    shown = {name: form[name].value() for name in form.fields if form[name].value() is not None}

    assert (shown["tags"], shown["timeout"], shown["http__method"]) == ("eu", 2500, "POST")
    assert not {shown.get("id"), shown.get("name"), shown["metadata"] or None} - {None, "{}"}
    assert 'value="X-Key"' in page.content.decode()
    assert "sealed:" not in page.content.decode()
    rows = {"http__headers__name": ["X-Key"], "http__headers__value": [""], "http__headers__secret": ["on"]}
    answer = admin.client.post(f"{LIST}add/", {**FORM, "id": "copy", "http__method": "POST", **rows})
    assert "there is no stored secret to keep" in answer.content.decode()
    key = admin.client.post(f"{LIST}add/", {**FORM, "id": "copy", "http__client_key": shown["http__client_key"]})
    assert key.status_code == 200
    assert not Service.objects.filter(pk="copy").exists()


def test_a_clone_of_nothing_is_an_empty_form(admin: Person) -> None:
    assert admin.client.get(f"{LIST}add/?clone=nothing").status_code == 200
