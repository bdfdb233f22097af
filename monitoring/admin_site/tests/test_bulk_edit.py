"""Editing several services of the list at once."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.cast import Person
from monitoring.models import AccountingPolicy, Service
from monitoring.tests.factories import START, make_service

LIST = "/admin/monitoring/service/"


def edit(person: Person, *ids: str, **values: Any) -> Any:
    form = {"action": "edit_services", "_selected_action": ids, "index": "0", "confirmed": "1", **values}
    return person.client.post(LIST, form)


def test_only_what_is_filled_in_changes_in_all_of_them(admin: Person) -> None:
    make_service("payments", tags=["eu", "old"], group_name="Money", timeout=1000)
    make_service("search", tags=["core"], group_name="Find")
    make_service("other", group_name="Other")

    answer = edit(admin, "payments", "search", check_interval="30000", added="core,new", removed="old")

    assert answer.status_code == 302
    payments, search, other = (Service.objects.get(pk=id) for id in ("payments", "search", "other"))
    assert (payments.tags, search.tags, other.tags) == (["eu", "core", "new"], ["core", "new"], [])
    assert (payments.check_interval, payments.timeout, payments.group_name) == (30_000, 1000, "Money")
    assert (payments.version, search.version, other.version) == (2, 2, 1)
    assert payments.phase_ms is not None and payments.phase_ms < 30_000
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {"payments", "search"}


def test_group_and_policy_are_set_and_a_hyphen_removes_the_group(admin: Person) -> None:
    make_service("payments", group_name="Money")
    AccountingPolicy.objects.create(name="strict", version=1, effective_on=START.date())

    edit(admin, "payments", group_name="-", policy_name="strict")

    service = Service.objects.get()
    assert (service.group_name, service.policy_name, service.version) == ("", "strict", 1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "Fill in at least one field"),
        ({"check_interval": "60"}, "If you meant seconds, enter milliseconds: 60000."),
        ({"timeout": "soon"}, "Enter a whole number"),
        ({"policy_name": "none"}, "Select a valid choice"),
    ],
)
def test_a_mistake_changes_nothing_and_keeps_the_selection(admin: Person, values: Any, words: str) -> None:
    make_service("payments")

    page = edit(admin, "payments", **values).content.decode()

    assert words in page
    assert 'name="_selected_action" value="payments"' in page
    assert Service.objects.get().version == 1


def test_many_services_take_as_many_queries_as_few(admin: Person) -> None:
    counts = []
    for number in (1, 2, 60):  # the first fills caches
        Service.objects.all().delete()
        ids = [make_service(f"s-{each}").pk for each in range(number)]
        with CaptureQueriesContext(connection) as captured:
            assert edit(admin, *ids, timeout="2500", added="eu").status_code == 302
        counts.append(len(captured))
        assert set(Service.objects.values_list("timeout", flat=True)) == {2500}

    assert counts[1] == counts[2]


def test_only_who_may_change_services_edits_them(reporter: Person, viewer: Person) -> None:
    make_service("payments")

    for person in (reporter, viewer):
        edit(person, "payments", timeout="2500")

    assert Service.objects.get().timeout == 5000
