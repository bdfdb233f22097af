from typing import Any

import pytest

from monitoring.models import Service
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db


def test_services_stand_under_their_group_with_its_worst_state(visit: Any) -> None:
    make_service("zebra")
    make_service("cards", group_name="Payments", status="o")
    make_service("banks", group_name="Payments", status="mo")
    make_service("site", group_name="Web")

    page = visit().content.decode()

    order = [page.index(f'id="service-{id}"') for id in ("zebra", "banks", "cards", "site")]
    assert order == sorted(order)
    assert page.count('<h3 class="group') == 2
    assert order[0] < page.index("Payments <span") < order[1]


def test_without_groups_there_are_no_headings(visit: Any) -> None:
    make_service()

    assert "group is-" not in visit().content.decode()
    assert Service.objects.for_page().count() == 1
