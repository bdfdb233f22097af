"""Two people, or two tasks, at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from functools import partial
from threading import Barrier

import pytest
from django.core.exceptions import ValidationError
from django.db import close_old_connections, connection

from incidents.maintenance import acts, running
from incidents.maintenance.tests.factories import NOW, make_plan
from incidents.models import MaintenanceOccurrence, MaintenancePlan
from monitoring.models import Service, Span
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], object]) -> list[str]:
    """Do each work in a thread of its own, all at the same time, and return how each ended."""
    ready = Barrier(len(works), timeout=60)

    def do(work: Callable[[], object]) -> str:
        close_old_connections()
        ready.wait()
        try:
            work()
        except ValidationError as error:
            return " ".join(error.messages)
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(works)) as pool:
        return sorted(pool.map(do, works))


def test_of_two_plans_for_one_time_the_second_is_refused() -> None:
    payments: Service = make_service("payments")

    ends = at_once(*(partial(make_plan, payments, title=title) for title in ("A", "B")))

    assert [end for end in ends if end == "done"] == ["done"]
    assert "overlaps" in ends[0]
    assert MaintenancePlan.objects.count() == Span.objects.count() == 1


def test_two_tasks_make_no_twin_and_of_two_clicks_one_ends_it() -> None:
    make_plan(rrule="FREQ=DAILY")
    first = MaintenanceOccurrence.objects.earliest("since")
    later = first.since + timedelta(minutes=10)

    assert at_once(*[lambda: running.run(later, UTC)] * 2) == ["done", "done"]
    assert MaintenanceOccurrence.objects.count() == Span.objects.count() == 100 + (later - NOW).days
    ends = at_once(*[lambda: acts.end_now(first.pk, by=None, now=later, zone=UTC)] * 2)

    assert ends[1] == "done" and "already ended" in ends[0]
    assert Span.objects.filter(replaced_at__isnull=False).count() == 1
