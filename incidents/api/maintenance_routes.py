"""`/api/v1/maintenance`: the dates of plans, what is done about them, and their updates."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Router
from ninja.responses import Status as Answer
from pydantic import BaseModel, Field

from accounts.bearer import Bearer
from accounts.permissions import CHANGE_MAINTENANCE, VIEW_MAINTENANCE
from incidents.api import changes
from incidents.api.maintenance_schemas import (
    Extension,
    MaintenanceUpdateOut,
    MaintenanceUpdateWrite,
    OccurrenceOut,
    State,
)
from incidents.api.schemas import Instant
from incidents.maintenance import acts, coverage, running
from incidents.models import MaintenanceCoverage, MaintenanceOccurrence, MaintenanceUpdate
from monitoring.api import preconditions
from monitoring.api.parameters import Paged, SlugText, StrictQuery, cursor_of, key_of, link_next, number_of
from monitoring.rules.unix_time import from_us, to_us
from observability import errors
from observability.errors import ApiError

router = Router(tags=["Maintenance"])
USERS = ("plan", "ended_by", "cancelled_by")
STATES = {
    State.PLANNED: Q(begun_at=None, ended_at=None, cancelled_at=None),
    State.UNDER_WAY: Q(begun_at__isnull=False, ended_at=None),
    State.ENDED: Q(ended_at__isnull=False),
    State.CANCELLED: Q(cancelled_at__isnull=False),
}


class OccurrenceFilters(Paged):
    since: Instant | None = Field(None, alias="from", description="Dates that end after this time.")
    until: Instant | None = Field(None, alias="to", description="Dates that begin before this time.")
    state: State | None = None
    plan: int | None = Field(None, ge=1, le=changes.LARGEST_ID, description="The id of a plan.")
    service: SlugText | None = Field(None, description="Dates that cover this service.")

    def choose(self) -> QuerySet[MaintenanceOccurrence]:
        """Return the requested occurrences, in order of time."""
        found = MaintenanceOccurrence.objects.select_related(*USERS)
        if self.since is not None:
            found = found.filter(until__gt=self.since)
        if self.until is not None:
            found = found.filter(since__lt=self.until)
        if self.state is not None:
            found = found.filter(STATES[self.state])
        if self.plan is not None:
            found = found.filter(plan=self.plan)
        if self.service is not None:
            found = found.filter(_covers(self.service))
        if self.cursor:
            at_us, id = map(number_of, key_of(self.cursor, 2))
            at = from_us(at_us)
            found = found.filter(Q(since__gt=at) | Q(since=at, id__gt=id))
        return found.order_by("since", "id")


class OccurrencePage(BaseModel):
    items: list[OccurrenceOut]
    next_cursor: str | None


class OneOccurrenceOut(OccurrenceOut):
    services: list[str] | None = Field(description="The services that it covers; null: all.")


class MaintenanceUpdatePage(BaseModel):
    items: list[MaintenanceUpdateOut]
    next_cursor: str | None


@router.get(
    "/maintenance",
    response=OccurrencePage,
    auth=Bearer(VIEW_MAINTENANCE),
    summary="List dates of maintenance",
    operation_id="list_maintenance",
)
def list_maintenance(
    request: HttpRequest, response: HttpResponse, filters: Annotated[OccurrenceFilters, StrictQuery(...)]
) -> OccurrencePage:
    """In order of time. Dates by a rule are stored 100 days ahead."""
    now = timezone.now()
    found = list(filters.choose()[: filters.limit + 1])
    shown, has_more = found[: filters.limit], len(found) > filters.limit
    last = cursor_of(to_us(shown[-1].since), shown[-1].pk) if has_more else None
    return OccurrencePage(
        items=[OccurrenceOut.of(each, now) for each in shown], next_cursor=link_next(request, response, last)
    )


@router.get(
    "/maintenance/{int:occurrence_id}",
    response=OneOccurrenceOut,
    auth=Bearer(VIEW_MAINTENANCE),
    summary="Read a date of maintenance",
    operation_id="read_maintenance",
)
def read_maintenance(request: HttpRequest, response: HttpResponse, occurrence_id: int) -> Any:
    """With the services that it covers, and an `ETag` for `If-None-Match` and `If-Match`."""
    shown = _tagged(response, _find(occurrence_id), timezone.now())
    if preconditions.is_known(request, response.headers["ETag"]):
        return HttpResponse(status=304, headers={"ETag": response.headers["ETag"]})
    return shown


@router.post(
    "/maintenance/{int:occurrence_id}/extend",
    response=OneOccurrenceOut,
    auth=Bearer(CHANGE_MAINTENANCE),
    summary="Extend maintenance that is under way",
    operation_id="extend_maintenance",
)
def extend_maintenance(
    request: HttpRequest, response: HttpResponse, occurrence_id: int, body: Extension
) -> OneOccurrenceOut:
    """It ends so many minutes later. 409 if it has not begun or is over; 422 if other maintenance follows."""
    by, now, zone = changes.who(request), timezone.now(), settings.PAGE_TIME_ZONE

    def act(pk: int) -> None:
        try:
            acts.extend(pk, body.minutes, by=by, now=now, zone=zone)
        except ValidationError as error:
            if error.code in changes.CONFLICTS:
                raise
            raise errors.invalid({"minutes": error.messages}) from error

    return _tagged(response, _change(request, occurrence_id, now, act), now)


@router.post(
    "/maintenance/{int:occurrence_id}/end",
    response=OneOccurrenceOut,
    auth=Bearer(CHANGE_MAINTENANCE),
    summary="End maintenance now",
    operation_id="end_maintenance",
)
def end_maintenance(request: HttpRequest, response: HttpResponse, occurrence_id: int) -> OneOccurrenceOut:
    """The rest of its time is measured again. 409 if it has not begun or is over."""
    by, now, zone = changes.who(request), timezone.now(), settings.PAGE_TIME_ZONE
    act = lambda pk: acts.end_now(pk, by=by, now=now, zone=zone)  # noqa: E731
    return _tagged(response, _change(request, occurrence_id, now, act), now)


@router.post(
    "/maintenance/{int:occurrence_id}/skip",
    response=OneOccurrenceOut,
    auth=Bearer(CHANGE_MAINTENANCE),
    summary="Skip a date of maintenance",
    operation_id="skip_maintenance",
)
def skip_maintenance(request: HttpRequest, response: HttpResponse, occurrence_id: int) -> OneOccurrenceOut:
    """Cancel this date; the others of its plan stay. 409 if it has begun or was cancelled before."""
    by, now, zone = changes.who(request), timezone.now(), settings.PAGE_TIME_ZONE
    act = lambda pk: acts.skip(pk, by=by, now=now, zone=zone)  # noqa: E731
    return _tagged(response, _change(request, occurrence_id, now, act), now)


@router.get(
    "/maintenance/{int:occurrence_id}/updates",
    response=MaintenanceUpdatePage,
    auth=Bearer(VIEW_MAINTENANCE),
    summary="List the updates of maintenance",
    operation_id="list_maintenance_updates",
)
def list_maintenance_updates(
    request: HttpRequest, response: HttpResponse, occurrence_id: int, filters: Annotated[Paged, StrictQuery(...)]
) -> MaintenanceUpdatePage:
    """Newest first, internal ones included."""
    rows = _find(occurrence_id).updates.select_related("created_by").order_by("-pk")
    if filters.cursor:
        rows = rows.filter(pk__lt=number_of(key_of(filters.cursor, 1)[0]))
    found = list(rows[: filters.limit + 1])
    shown, has_more = found[: filters.limit], len(found) > filters.limit
    cursor = cursor_of(shown[-1].pk) if has_more else None
    return MaintenanceUpdatePage(
        items=[MaintenanceUpdateOut.of(each) for each in shown], next_cursor=link_next(request, response, cursor)
    )


@router.post(
    "/maintenance/{int:occurrence_id}/updates",
    response={201: MaintenanceUpdateOut},
    auth=Bearer(CHANGE_MAINTENANCE),
    summary="Post an update of maintenance",
    operation_id="create_maintenance_update",
)
def create_maintenance_update(request: HttpRequest, occurrence_id: int, body: MaintenanceUpdateWrite) -> Any:
    """Customers read it at once, unless it is internal."""
    by, now = changes.who(request), timezone.now()
    update = MaintenanceUpdate(occurrence_id=occurrence_id, **body.model_dump())

    def act(_pk: int) -> None:
        try:
            acts.post(update, by=by, now=now)
        except ValidationError as error:
            raise errors.invalid({"message": error.messages}) from error

    _change(request, occurrence_id, now, act)
    return Answer(201, MaintenanceUpdateOut.of(update))


def _change(
    request: HttpRequest, occurrence_id: int, now: datetime, act: Callable[[int], object]
) -> MaintenanceOccurrence:
    """Lock maintenance, do the steps that are due, compare the tag of the caller, and act. Raises `ApiError`."""
    with transaction.atomic():
        running.lock()
        running.advance(now, settings.PAGE_TIME_ZONE)
        occurrence = _find(occurrence_id)
        preconditions.demand(request, preconditions.etag_of(_shown(occurrence, now)), is_required=False)
        act(occurrence.pk)
    return _find(occurrence_id)


def _find(occurrence_id: int) -> MaintenanceOccurrence:
    found = MaintenanceOccurrence.objects.select_related(*USERS)
    occurrence = found.filter(pk=occurrence_id).first() if occurrence_id <= changes.LARGEST_ID else None
    if occurrence is None:
        words = _("There is no date %(id)s of maintenance. List them: GET /api/v1/maintenance") % {"id": occurrence_id}
        raise ApiError("MAINTENANCE_NOT_FOUND", words, status=404)
    return occurrence


def _covers(service_id: str) -> Exists:
    """Match occurrences that cover a service, or that did when they were cancelled."""
    spans = MaintenanceCoverage.objects.filter(occurrence=OuterRef("pk"))
    spans = spans.filter(Q(span__replaced_at=None) | Q(occurrence__cancelled_at__isnull=False))
    return Exists(spans.filter(Q(span__service=None) | Q(span__service=service_id)))


def _shown(occurrence: MaintenanceOccurrence, now: datetime) -> OneOccurrenceOut:
    ids = set(coverage.spans_of([occurrence]).values_list("service_id", flat=True))
    services = None if None in ids else sorted(id for id in ids if id is not None)
    return OneOccurrenceOut(**OccurrenceOut.of(occurrence, now).model_dump(), services=services)


def _tagged(response: HttpResponse, occurrence: MaintenanceOccurrence, now: datetime) -> OneOccurrenceOut:
    shown = _shown(occurrence, now)
    response.headers["ETag"] = preconditions.etag_of(shown)
    return shown
