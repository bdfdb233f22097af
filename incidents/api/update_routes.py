"""`/api/v1/incidents/{id}/updates`: what was said, and what is scheduled."""

from datetime import datetime
from typing import Annotated, Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Router
from ninja.responses import Status as Answer
from pydantic import BaseModel, Field

from accounts.bearer import Bearer
from accounts.models import User
from accounts.permissions import CHANGE_INCIDENTS, VIEW_INCIDENTS
from incidents import corrections, reporting, scheduling
from incidents.api import changes
from incidents.api.schemas import UpdateCorrect, UpdateOut, UpdateWrite
from incidents.models import Incident, IncidentUpdate
from monitoring.api.parameters import Paged, StrictQuery, cursor_of, key_of, link_next, number_of
from monitoring.rules.unix_time import from_us, to_us
from observability.errors import ApiError

router = Router(tags=["Incidents"])


class UpdateFilters(Paged):
    is_published: bool | None = Field(None, description="False for scheduled and proposed updates.")


class UpdatePage(BaseModel):
    items: list[UpdateOut]
    next_cursor: str | None


def write(incident: Incident, body: UpdateWrite, *, who: User, now: datetime, reopens: bool = False) -> IncidentUpdate:
    """Post an update of a locked incident, or schedule it. Raises `ApiError` or ValidationError."""
    changes.demand_services(body.impacts or {})
    update = IncidentUpdate(
        incident=incident,
        status=body.status,
        message=body.message,
        message_translations=body.message_translations,
        is_customer_visible=body.is_customer_visible,
        impacts=body.impacts,
        created_by=who,
    )
    if body.publish_at is None:
        reporting.post(update, who=who, now=now, reopens=reopens)
    else:
        scheduling.schedule(update, body.publish_at, now=now)
    return update


@router.get(
    "/incidents/{int:incident_id}/updates",
    response=UpdatePage,
    auth=Bearer(VIEW_INCIDENTS),
    summary="List the updates of an incident",
    operation_id="list_updates",
)
def list_updates(
    request: HttpRequest, response: HttpResponse, incident_id: int, filters: Annotated[UpdateFilters, StrictQuery(...)]
) -> UpdatePage:
    """Newest first, internal ones included."""
    rows = changes.find(incident_id).updates.select_related("created_by")
    if filters.is_published is not None:
        rows = rows.filter(published_at__isnull=not filters.is_published)
    if filters.cursor:
        at_us, id = map(number_of, key_of(filters.cursor, 2))
        at = from_us(at_us)
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=id))
    found = list(rows.order_by("-created_at", "-id")[: filters.limit + 1])
    shown, has_more = found[: filters.limit], len(found) > filters.limit
    last = cursor_of(to_us(shown[-1].created_at), shown[-1].pk) if has_more else None
    return UpdatePage(items=[UpdateOut.of(each) for each in shown], next_cursor=link_next(request, response, last))


@router.post(
    "/incidents/{int:incident_id}/updates",
    response={201: UpdateOut},
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Post or schedule an update",
    operation_id="create_update",
)
def create_update(request: HttpRequest, incident_id: int, body: UpdateWrite) -> Any:
    """It sets the status of the incident. 409 if the incident is resolved and the update is not: reopen it first."""
    now, who = timezone.now(), changes.who(request)
    written: list[IncidentUpdate] = []
    changes.change(request, incident_id, now, lambda incident: written.append(write(incident, body, who=who, now=now)))
    return Answer(201, UpdateOut.of(written[0]))


@router.patch(
    "/incidents/{int:incident_id}/updates/{int:update_id}",
    response=UpdateOut,
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Correct the text of an update",
    operation_id="correct_update",
)
def correct_update(request: HttpRequest, incident_id: int, update_id: int, body: UpdateCorrect) -> UpdateOut:
    """Customers see that it was edited; the earlier text is kept."""
    now, who = timezone.now(), changes.who(request)
    _find(incident_id, update_id)
    act = lambda _incident: corrections.correct(  # noqa: E731
        update_id, body.message, body.message_translations, who=who, now=now
    )
    changes.change(request, incident_id, now, act)
    return UpdateOut.of(_find(incident_id, update_id))


@router.post(
    "/incidents/{int:incident_id}/updates/{int:update_id}/publish",
    response=UpdateOut,
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Publish a proposed or scheduled update now",
    operation_id="publish_update",
)
def publish_update(request: HttpRequest, incident_id: int, update_id: int) -> UpdateOut:
    """An update that the monitor proposed after a relapse reopens the incident."""
    now, who = timezone.now(), changes.who(request)

    def act(incident: Incident) -> None:
        update = IncidentUpdate.objects.select_for_update().get(pk=_find(incident_id, update_id).pk)
        if update.published_at is not None:
            raise ApiError("ALREADY_PUBLISHED", _("This update is published already."), status=409)
        update.incident = incident
        reporting.post(update, who=who, now=now, reopens=update.is_proposed)

    changes.change(request, incident_id, now, act)
    return UpdateOut.of(_find(incident_id, update_id))


@router.delete(
    "/incidents/{int:incident_id}/updates/{int:update_id}",
    response={204: None},
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Withdraw a proposed or scheduled update",
    operation_id="withdraw_update",
)
def withdraw_update(request: HttpRequest, incident_id: int, update_id: int) -> Any:
    """Only as long as it has not taken effect; what was said stays."""
    now = timezone.now()

    def act(_incident: Incident) -> None:
        if not IncidentUpdate.objects.filter(pk=_find(incident_id, update_id).pk, published_at=None).delete()[0]:
            raise ApiError("ALREADY_PUBLISHED", _("A published update stays. Correct its text instead."), status=409)

    changes.change(request, incident_id, now, act)
    return Answer(204, None)


def _find(incident_id: int, update_id: int) -> IncidentUpdate:
    rows = IncidentUpdate.objects.select_related("created_by").filter(incident=changes.find(incident_id))
    update = rows.filter(pk=update_id).first() if update_id <= changes.LARGEST_ID else None
    if update is None:
        words = _("Incident %(incident)s has no update %(id)s.") % {"incident": incident_id, "id": update_id}
        raise ApiError("UPDATE_NOT_FOUND", words, status=404)
    return update
