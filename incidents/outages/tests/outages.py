"""Services that fail and recover, as their transitions tell it."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from incidents.models import AffectedService, Incident, IncidentUpdate
from incidents.outages import following
from monitoring.models import Service, Transition
from monitoring.states import transitions
from monitoring.tests.factories import START

CAUSES = {"mo": "failed", "o": "recovered", "po": "slow", "nd": "silent"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def change(status: str, *service_ids: str, seconds: float, **evidence: object) -> None:
    """Record that services got a status; the transition is confirmed five seconds after its first check."""
    before = dict(Service.objects.filter(id__in=service_ids).values_list("id", "status"))
    with transaction.atomic():
        transitions.record(
            [
                Transition(
                    service_id=id,
                    from_status=before[id],
                    to_status=status,
                    cause=CAUSES[status],
                    edge_start_at=at(seconds - 60),
                    edge_end_at=at(seconds),
                    created_at=at(seconds + 5),
                    evidence={
                        "error_type": "connection",
                        "error_message": "connection refused by 10.0.0.1:80",
                        **evidence,
                    },
                )
                for id in service_ids
                if before[id] != status
            ]
        )


def fail(*service_ids: str, seconds: float) -> None:
    change("mo", *service_ids, seconds=seconds)


def recover(*service_ids: str, seconds: float) -> None:
    change("o", *service_ids, seconds=seconds)


def run(seconds: float) -> None:
    while following.follow(at(seconds)):
        pass


def followed() -> dict[str, int]:
    """Return the incident that follows each service."""
    return dict(AffectedService.objects.filter(is_followed=True).values_list("service_id", "incident_id"))


def proposal(incident: Incident) -> Any:
    return IncidentUpdate.objects.filter(incident=incident, is_proposed=True).first()
