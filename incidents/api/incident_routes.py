"""`/api/v1/incidents`: incidents and drafts."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status as Answer
from pydantic import BaseModel, Field

from accounts.bearer import Bearer
from accounts.permissions import ADD_INCIDENTS, CHANGE_INCIDENTS, VIEW_INCIDENTS
from incidents import reporting
from incidents.api import changes, update_routes
from incidents.api.schemas import IncidentCreate, IncidentOut, IncidentPatch, UpdateWrite
from incidents.models import Incident, IncidentStatus, Priority
from monitoring.api import preconditions
from monitoring.api.parameters import Paged, SlugText, StrictQuery, cursor_of, key_of, link_next, number_of
from monitoring.rules.unix_time import from_us, to_us
from observability.events import Action, Subject, tell_when_committed

router = Router(tags=["Incidents"])


class Stage(StrEnum):
    """Stages of an incident; customers see only published ones."""

    PUBLISHED = "published"
    DRAFT = "draft"
    DISMISSED = "dismissed"


class IncidentFilters(Paged):
    stage: Stage = Field(Stage.PUBLISHED, description="Drafts and dismissed drafts are internal.")
    status: IncidentStatus | None = None
    is_open: bool | None = Field(None, description="True for incidents that are not resolved.")
    priority: Priority | None = None
    service: SlugText | None = Field(None, description="The id of an affected service.")

    def choose(self) -> QuerySet[Incident]:
        """Return the requested incidents, newest first."""
        found = Incident.objects.select_related(*changes.USERS).prefetch_related(changes.AFFECTED)
        stages = {
            Stage.PUBLISHED: Q(published_at__isnull=False),
            Stage.DRAFT: Q(published_at=None, dismissed_at=None),
            Stage.DISMISSED: Q(dismissed_at__isnull=False),
        }
        found = found.filter(stages[self.stage])
        if self.status is not None:
            found = found.filter(status=self.status)
        if self.is_open is not None:
            found = found.exclude(status="resolved") if self.is_open else found.filter(status="resolved")
        if self.priority is not None:
            found = found.filter(priority=self.priority)
        if self.service is not None:
            found = found.filter(affected_services=self.service)
        if self.cursor:
            at_us, id = map(number_of, key_of(self.cursor, 2))
            at = from_us(at_us)
            found = found.filter(Q(started_at__lt=at) | Q(started_at=at, id__lt=id))
        return found.order_by("-started_at", "-id")


class IncidentPage(BaseModel):
    items: list[IncidentOut]
    next_cursor: str | None


class Reopening(UpdateWrite):
    status: IncidentStatus = IncidentStatus.INVESTIGATING


def _tagged(response: HttpResponse, incident: Incident, now: datetime) -> IncidentOut:
    shown = IncidentOut.of(incident, now)
    response.headers["ETag"] = preconditions.etag_of(shown)
    return shown


@router.get(
    "/incidents",
    response=IncidentPage,
    auth=Bearer(VIEW_INCIDENTS),
    summary="List incidents",
    operation_id="list_incidents",
)
def list_incidents(
    request: HttpRequest, response: HttpResponse, filters: Annotated[IncidentFilters, StrictQuery(...)]
) -> IncidentPage:
    """Newest first. Only published ones, unless `stage` says otherwise."""
    now = timezone.now()
    found = list(filters.choose()[: filters.limit + 1])
    shown, has_more = found[: filters.limit], len(found) > filters.limit
    last = cursor_of(to_us(shown[-1].started_at), shown[-1].pk) if has_more else None
    return IncidentPage(
        items=[IncidentOut.of(each, now) for each in shown], next_cursor=link_next(request, response, last)
    )


@router.post(
    "/incidents",
    response={201: IncidentOut},
    auth=Bearer(ADD_INCIDENTS),
    summary="Create an incident",
    operation_id="create_incident",
)
def create_incident(request: HttpRequest, response: HttpResponse, body: IncidentCreate) -> Any:
    """Publish an incident, or file a draft. If there are problems, nothing is created."""
    now, who = timezone.now(), changes.who(request)
    changes.demand_services(body.services)
    with transaction.atomic():
        incident = Incident(created_by=who, started_at=now, **_columns(body.model_dump()))
        changes.set_start(incident, body.started_at or now, now)
        if not body.is_draft:
            incident.published_at, incident.published_by = now, who
            reporting.acknowledge(incident, who=who, now=now)
        incident.save()
        reporting.affect(incident, body.services)
        if body.update is not None:
            update_routes.write(incident, body.update, who=who, now=now)
        tell_when_committed(Subject.INCIDENT, Action.CREATED, [incident.pk])
        reporting.publish(now)
    response.headers["Location"] = request.build_absolute_uri(f"{request.path}/{incident.pk}")
    return Answer(201, _tagged(response, changes.find(incident.pk), now))


@router.get(
    "/incidents/{int:incident_id}",
    response=IncidentOut,
    auth=Bearer(VIEW_INCIDENTS),
    summary="Read an incident",
    operation_id="read_incident",
)
def read_incident(request: HttpRequest, response: HttpResponse, incident_id: int) -> Any:
    """With an `ETag`, for `If-None-Match` and `If-Match`."""
    shown = _tagged(response, changes.find(incident_id), timezone.now())
    if preconditions.is_known(request, response.headers["ETag"]):
        return HttpResponse(status=304, headers={"ETag": response.headers["ETag"]})
    return shown


@router.patch(
    "/incidents/{int:incident_id}",
    response=IncidentOut,
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Change an incident",
    operation_id="change_incident",
)
def change_incident(request: HttpRequest, response: HttpResponse, incident_id: int, body: IncidentPatch) -> IncidentOut:
    """Change some values and keep the others; `If-Match` is optional. Post an update to change the status."""
    now = timezone.now()
    given = body.model_dump(exclude_unset=True, exclude_none=True)

    def apply(incident: Incident) -> None:
        if "services" in given:
            changes.demand_services(given["services"])
            reporting.affect(incident, given["services"])
        if "started_at" in given:
            changes.set_start(incident, given["started_at"], now)
        for name, value in _columns(given).items():
            setattr(incident, name, value)
        incident.save()
        tell_when_committed(Subject.INCIDENT, Action.UPDATED, [incident.pk])

    return _tagged(response, changes.change(request, incident_id, now, apply), now)


@router.post(
    "/incidents/{int:incident_id}/publish",
    response=IncidentOut,
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Publish a draft",
    operation_id="publish_incident",
)
def publish_incident(request: HttpRequest, response: HttpResponse, incident_id: int) -> IncidentOut:
    """Show a draft to customers, with the update that the monitor proposed. 409 if somebody decided before."""
    now, who = timezone.now(), changes.who(request)
    act = lambda incident: reporting.publish_incident(incident, who=who, now=now)  # noqa: E731
    return _tagged(response, changes.change(request, incident_id, now, act), now)


@router.post(
    "/incidents/{int:incident_id}/dismiss",
    response=IncidentOut,
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Dismiss a draft",
    operation_id="dismiss_incident",
)
def dismiss_incident(request: HttpRequest, response: HttpResponse, incident_id: int) -> IncidentOut:
    """Decide that customers are not told. 409 if somebody decided before."""
    now, who = timezone.now(), changes.who(request)
    act = lambda incident: reporting.dismiss(incident, who=who, now=now)  # noqa: E731
    return _tagged(response, changes.change(request, incident_id, now, act), now)


@router.post(
    "/incidents/{int:incident_id}/acknowledge",
    response=IncidentOut,
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Acknowledge an incident",
    operation_id="acknowledge_incident",
)
def acknowledge_incident(request: HttpRequest, response: HttpResponse, incident_id: int) -> IncidentOut:
    """Say that you take care of it. The first one stays; repeating it changes nothing."""
    now, who = timezone.now(), changes.who(request)

    def apply(incident: Incident) -> None:
        reporting.acknowledge(incident, who=who, now=now)
        incident.save()

    return _tagged(response, changes.change(request, incident_id, now, apply), now)


@router.post(
    "/incidents/{int:incident_id}/reopen",
    response=IncidentOut,
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Reopen a resolved incident",
    operation_id="reopen_incident",
)
def reopen_incident(request: HttpRequest, response: HttpResponse, incident_id: int, body: Reopening) -> IncidentOut:
    """Post an update that sets a resolved incident back to another status."""
    now, who = timezone.now(), changes.who(request)
    act = lambda incident: update_routes.write(incident, body, who=who, now=now, reopens=True)  # noqa: E731
    return _tagged(response, changes.change(request, incident_id, now, act), now)


def _columns(given: dict[str, Any]) -> dict[str, Any]:
    """Return the values that are columns of the incident, as they are given."""
    others = {"services", "started_at", "is_draft", "update"}
    return {name: value for name, value in given.items() if name not in others}
