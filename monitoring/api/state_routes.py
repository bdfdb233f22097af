"""`/api/v1/states` and `/api/v1/transitions`: the current states of services, and their changes."""

from datetime import datetime
from typing import Annotated, Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router
from pydantic import BaseModel, Field

from accounts.bearer import Bearer
from accounts.permissions import SEE_SERVICES
from monitoring.api import service_changes
from monitoring.api.parameters import (
    Paged,
    SlugText,
    StrictQuery,
    Windowed,
    cursor_of,
    key_of,
    link_next,
    number_of,
)
from monitoring.api.service_schemas import STATUS
from monitoring.config.clock import AHEAD
from monitoring.models import Service, Transition
from monitoring.probes.model import Verdict
from monitoring.rules.state import Cause, Status
from monitoring.rules.unix_time import from_us, to_us
from monitoring.states.live import is_ahead, status_at, with_live_status

router = Router(tags=["States"])


class StateFilters(Paged):
    status: Status | None = Field(None, description=STATUS)
    is_active: bool | None = Field(None, description="False for paused services.")


class StateOut(BaseModel):
    """The current state of a service."""

    service_id: str
    display_name: str
    group: str
    is_critical: bool
    is_active: bool = Field(description="False while the service is paused.")
    status: Status = Field(
        description=STATUS
        + "It is `nd` if there was no check for 2.5 intervals plus the timeout, or if the last one is in"
        " the future."
    )
    since: datetime | None = Field(description="Time of the last status change.")
    last_checked_at: datetime | None
    last_verdict: Verdict | None
    last_response_ms: float | None = Field(description="Response time of the newest check; null if it got no response.")
    last_status_code: int | None
    last_error: str | None
    run_since: datetime | None = Field(
        description="Start of the current run: every check since then had this verdict, without a gap."
    )
    run_checks: int
    last_good_at: datetime | None
    last_bad_at: datetime | None
    is_confirming: bool = Field(description="A failure was seen and awaits confirmation by the next check.")


class StatePage(BaseModel):
    items: list[StateOut]
    next_cursor: str | None


class TransitionFilters(Paged, Windowed):
    service: SlugText | None = Field(None, description="The id of a service.")
    to_status: Status | None = Field(None, description=STATUS)


class TransitionOut(BaseModel):
    """A change of status. It happened at an unknown time after `edge_start_at`, and by `edge_end_at`."""

    id: int
    service_id: str
    from_status: Status = Field(description=STATUS)
    to_status: Status = Field(description=STATUS)
    cause: Cause
    edge_start_at: datetime | None = Field(description="The last check that showed the old status.")
    edge_end_at: datetime = Field(description="The first check that showed the new status; figures count from here.")
    evidence: dict[str, Any] = Field(description="Details of the check that changed the status.")
    created_at: datetime


class TransitionPage(BaseModel):
    items: list[TransitionOut]
    next_cursor: str | None


@router.get("/states", response=StatePage, auth=Bearer(SEE_SERVICES), summary="List states", operation_id="list_states")
def list_states(
    request: HttpRequest, response: HttpResponse, filters: Annotated[StateFilters, StrictQuery(...)]
) -> StatePage:
    """The current states of all services, in order of their ids. One query."""
    now = timezone.now()
    chosen = _with_states(now).filter(archived_at=None)
    if filters.is_active is not None:
        chosen = chosen.filter(is_active=filters.is_active)
    if filters.status is not None:
        chosen = with_live_status(chosen, now).filter(live_status=filters.status)
    if filters.cursor:
        chosen = chosen.filter(id__gt=key_of(filters.cursor, 1)[0])
    found = list(chosen.order_by("id")[: filters.limit + 1])
    services, has_more = found[: filters.limit], len(found) > filters.limit
    return StatePage(
        items=[_state(service, now) for service in services],
        next_cursor=link_next(request, response, cursor_of(services[-1].id) if has_more else None),
    )


@router.get(
    "/services/{slug:service_id}/state",
    response=StateOut,
    auth=Bearer(SEE_SERVICES),
    summary="Read the state of a service",
    operation_id="read_state",
)
def read_state(request: HttpRequest, service_id: str) -> StateOut:
    """The current state of the service."""
    now = timezone.now()
    service = _with_states(now).filter(pk=service_id).first()
    return _state(service or service_changes.find(service_id), now)


@router.get(
    "/transitions",
    response=TransitionPage,
    auth=Bearer(SEE_SERVICES),
    summary="List transitions",
    operation_id="list_transitions",
)
def list_transitions(
    request: HttpRequest, response: HttpResponse, filters: Annotated[TransitionFilters, StrictQuery(...)]
) -> TransitionPage:
    """Changes of status, newest first."""
    found = list(_transitions(filters)[: filters.limit + 1])
    shown, has_more = found[: filters.limit], len(found) > filters.limit
    last = cursor_of(to_us(shown[-1].edge_end_at), shown[-1].pk) if has_more else None
    return TransitionPage(items=[_transition(each) for each in shown], next_cursor=link_next(request, response, last))


def _with_states(now: datetime) -> QuerySet[Service]:
    newest = Transition.objects.filter(service=OuterRef("pk"), edge_end_at__lte=now + AHEAD).order_by("-edge_end_at")
    since = Subquery(newest.values("edge_end_at")[:1])
    return Service.objects.select_related("state").annotate(since=since)


def _state(service: Service, now: datetime) -> StateOut:
    state = getattr(service, "state", None)
    return StateOut(
        service_id=service.id,
        display_name=service.display_name,
        group=service.group_name,
        is_critical=service.is_critical,
        is_active=service.is_active,
        status=status_at(state, now),
        since=getattr(service, "since", None),
        last_checked_at=state.run_last_at if state and not is_ahead(state, now) else None,
        last_verdict=Verdict(state.verdict) if state and state.verdict else None,
        last_response_ms=state.last_response_ms if state else None,
        last_status_code=state.last_status_code if state else None,
        last_error=state.last_error if state else None,
        run_since=state.run_first_at if state else None,
        run_checks=state.run_count if state else 0,
        last_good_at=state.last_good_at if state else None,
        last_bad_at=state.last_bad_at if state else None,
        is_confirming=bool(state and state.recheck_at),
    )


def _transitions(filters: TransitionFilters) -> QuerySet[Transition]:
    window = filters.window()
    found = Transition.objects.filter(edge_end_at__gte=window.start, edge_end_at__lt=window.end)
    if filters.service is not None:
        found = found.filter(service=filters.service)
    if filters.to_status is not None:
        found = found.filter(to_status=filters.to_status)
    if filters.cursor:
        at_us, id = map(number_of, key_of(filters.cursor, 2))
        at = from_us(at_us)
        found = found.filter(Q(edge_end_at__lt=at) | Q(edge_end_at=at, id__lt=id))
    return found.order_by("-edge_end_at", "-id")


def _transition(each: Transition) -> TransitionOut:
    return TransitionOut(
        id=each.pk,
        service_id=each.service_id,
        from_status=Status(each.from_status),
        to_status=Status(each.to_status),
        cause=Cause(each.cause),
        edge_start_at=each.edge_start_at,
        edge_end_at=each.edge_end_at,
        evidence=each.evidence,
        created_at=each.created_at,
    )
