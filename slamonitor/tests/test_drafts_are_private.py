"""A draft, and a dismissed one, change nothing that a stranger can read: no text, no figure, no tag, no time."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from incidents import reporting
from incidents.maintenance.tests.factories import make_plan
from incidents.models import AffectedService, Incident, UpdateTemplate, UpdateWording
from incidents.tests.factories import make_incident, make_update
from monitoring.engine import recording
from monitoring.models import Service
from monitoring.tests.factories import START, make_result, make_service
from slamonitor.tests.test_urls import EXPECTED
from statuspage import front
from statuspage.tests.cast import reading_keeper

Read = Callable[[str], tuple[int, dict[str, str], bytes]]
MARK = "Zugzwang"
NOW = datetime(2025, 3, 10, 0, 5, tzinfo=UTC)
# Every address that a stranger can open, in more than one form where it has some.
PUBLIC = [address for address, statuses in EXPECTED.values() if statuses[0] in (200, 401)]
PUBLIC += ["/?lang=ko", "/services/payments/ledger?from=2025-03-10&to=2025-03-10", "/api/v1/system_status"]
OF_A_REQUEST = ("X-Trace-Id", "traceparent", "X-Processing-Time", "Server-Timing")
OF_A_BODY = re.compile(rb'"trace_id": ?"\w+"|[0-9a-f]{32}|csrfmiddlewaretoken" value="\w+"')
FOR_OPERATORS = ("/health", "/livez", "/readyz", "/metrics")  # they count requests, and are not for strangers


@pytest.fixture(autouse=True)
def frozen() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Return a function that requests an address as a stranger, from a server that has just started."""

    def get(address: str) -> tuple[int, dict[str, str], bytes]:
        monkeypatch.setattr(front, "keeper", reading_keeper())
        answer = Client().get(address, headers={"accept-language": "en"})
        headers = {name: value for name, value in answer.headers.items() if name not in OF_A_REQUEST}
        return answer.status_code, headers, OF_A_BODY.sub(b"", answer.content)

    return get


def make_draft(service: Service, **values: Any) -> Incident:
    """A draft with the mark wherever a person or the monitor may write."""
    incident = make_incident(
        started_at=NOW - timedelta(minutes=4),
        title=f"{MARK} 1",
        title_translations={"ko": f"{MARK} 2"},
        description=f"{MARK} 3",
        impact_description=f"{MARK} 4",
        root_cause=f"{MARK} 5",
        is_draft=True,
        is_automatic=True,
        **values,
    )
    AffectedService.objects.create(incident=incident, service=service, evidence={"message": f"{MARK} 6"})
    words: dict[str, Any] = {"message": f"{MARK} 7", "message_translations": {"ko": f"{MARK} 8"}}
    make_update(incident=incident, created_at=NOW, published_at=None, is_proposed=True, **words)
    make_update(incident=incident, created_at=NOW, published_at=None, publish_at=NOW - timedelta(minutes=1), **words)
    posted = make_update(incident=incident, created_at=NOW, **words)
    UpdateWording.objects.create(
        update_corrected=posted, message=f"{MARK} 9", written_at=NOW, replaced_at=NOW, message_translations={}
    )
    return incident


@pytest.mark.django_db
def test_no_public_address_shows_a_draft_or_changes_by_it(read: Read) -> None:
    service = make_service("payments")
    make_plan(service, now=NOW, starts_on=NOW.date() + timedelta(days=1))
    for result in (make_result(0), make_result(60, "bad"), make_result(65, "bad")):
        recording.record([result], START + timedelta(seconds=66))
    reporting.publish(NOW)
    before = {address: read(address) for address in PUBLIC}

    make_draft(service)
    make_draft(service, dismissed_at=NOW)
    UpdateTemplate.objects.create(name=f"{MARK} 10", message=f"{MARK} 11")
    reporting.publish(NOW)

    for address, found in before.items():
        now = read(address)
        assert MARK.encode() not in now[2], address
        assert now == found or address in FOR_OPERATORS, address


@pytest.mark.django_db
def test_the_mark_is_found_once_the_draft_is_published(read: Read) -> None:
    service = make_service("payments")
    incident = make_draft(service)

    assert MARK.encode() not in read("/")[2]
    reporting.publish_incident(reporting.locked(incident.pk), who=None, now=NOW)
    reporting.publish(NOW)

    assert MARK.encode() in read("/")[2]
