"""`/api/v1/incidents/{id}/post_mortem`, the findings of reconciliation, and the response times by month."""

from datetime import date, datetime
from typing import Annotated, Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Router
from pydantic import BaseModel, Field, StrictBool

from accounts.bearer import Bearer
from accounts.models import User
from accounts.permissions import CHANGE_INCIDENTS, VIEW_INCIDENTS
from incidents import post_mortems, reporting, response_figures
from incidents.api import changes
from incidents.api.schemas import MESSAGE, Message, Messages, name_of
from incidents.models import Finding, FindingKind, FollowUp, PostMortem
from incidents.reconciliation.reconcile import explain, reconcile
from monitoring.api import preconditions
from monitoring.api.parameters import Paged, StrictQuery, cursor_of, key_of, link_next, number_of, refused
from monitoring.rules.calendar_days import day_of
from observability.errors import ApiError

router = Router(tags=["Incidents"])
DAYS_OF_FIGURES = 365


class Action(BaseModel, extra="forbid"):
    text: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$")]
    owner: str | None = Field(None, description="A user's name.")
    due_on: date | None = None
    is_done: StrictBool = False


class PostMortemWrite(BaseModel, extra="forbid"):
    summary: Annotated[Message, Field(description=MESSAGE)] = ""
    summary_translations: Messages = {}
    root_cause: Annotated[Message, Field(description=MESSAGE)] = ""
    root_cause_translations: Messages = {}
    notes: Annotated[Message, Field(description="Never published.")] = ""
    actions: list[Action] = Field([], max_length=100, description="Internal.")


class Event(BaseModel):
    """A line of the timeline, which is made of status changes, updates and maintenance."""

    at: datetime
    kind: post_mortems.EventKind
    service_id: str | None
    status: str
    text: str
    is_public: bool
    until: datetime | None


class PostMortemOut(BaseModel):
    """A post-mortem; customers read the summary, the root cause and the public part of the timeline."""

    summary: str
    summary_translations: dict[str, str]
    root_cause: str
    root_cause_translations: dict[str, str]
    notes: str
    actions: list[Action]
    timeline: list[Event]
    published_at: datetime | None = Field(description="Null: customers don't see it.")
    updated_at: datetime


class FindingFilters(Paged):
    kind: FindingKind | None = None


class FindingOut(BaseModel):
    """A difference between what was measured and what customers were told."""

    id: int
    kind: FindingKind
    service_id: str | None
    incident_id: int | None
    measured_at: datetime | None
    measured_until: datetime | None
    told_at: datetime | None
    found_at: datetime


class FindingPage(BaseModel):
    items: list[FindingOut]
    next_cursor: str | None


class Explanation(BaseModel, extra="forbid"):
    explanation: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


class MonthOut(BaseModel):
    """Mean minutes from the start of an incident, over those published that began in the month; null: none had it."""

    month: str = Field(description="Like 2025-03, in the page's time zone.")
    incidents: int
    missed_targets: int
    minutes_to_detect: float | None
    minutes_to_acknowledge: float | None
    minutes_to_first_update: float | None
    minutes_to_resolve: float | None


@router.get(
    "/incidents/{int:incident_id}/post_mortem",
    response=PostMortemOut,
    auth=Bearer(VIEW_INCIDENTS),
    summary="Read a post-mortem",
    operation_id="read_post_mortem",
)
def read_post_mortem(request: HttpRequest, response: HttpResponse, incident_id: int) -> PostMortemOut:
    """Drafts included. 404 if there is none."""
    return _tagged(response, _find(incident_id))


@router.put(
    "/incidents/{int:incident_id}/post_mortem",
    response=PostMortemOut,
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Write a post-mortem",
    operation_id="write_post_mortem",
)
def write_post_mortem(
    request: HttpRequest, response: HttpResponse, incident_id: int, body: PostMortemWrite
) -> PostMortemOut:
    """Create it, or replace all of it, its actions included; that requires `If-Match`. It is published separately."""
    owners = _owners(body)
    with transaction.atomic():
        incident = reporting.locked(changes.find(incident_id).pk)
        found = PostMortem.objects.filter(incident=incident).first()
        if found is not None:
            preconditions.demand(request, preconditions.etag_of(_shown(found)), is_required=True)
        post_mortem = found or PostMortem(incident=incident, created_by=changes.who(request))
        for name, value in body.model_dump(exclude={"actions"}).items():
            setattr(post_mortem, name, value)
        post_mortem.save()
        _replace_actions(post_mortem, body, owners, timezone.now())
        reporting.publish(timezone.now())
    return _tagged(response, _find(incident_id))


@router.post(
    "/incidents/{int:incident_id}/post_mortem/publish",
    response=PostMortemOut,
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Publish a post-mortem",
    operation_id="publish_post_mortem",
)
def publish_post_mortem(request: HttpRequest, response: HttpResponse, incident_id: int) -> PostMortemOut:
    """The incident must be published and resolved, and the summary must not be empty."""
    now = timezone.now()
    with transaction.atomic():
        _find(incident_id)
        post_mortem = PostMortem.objects.select_for_update(of=("self",)).get(incident=incident_id)
        preconditions.demand(request, preconditions.etag_of(_shown(post_mortem)), is_required=False)
        post_mortems.publish(post_mortem, who=changes.who(request), now=now)
        reporting.publish(now)
    return _tagged(response, _find(incident_id))


@router.get(
    "/findings",
    response=FindingPage,
    auth=Bearer(VIEW_INCIDENTS),
    summary="List differences between measurements and incidents",
    operation_id="list_findings",
)
def list_findings(
    request: HttpRequest, response: HttpResponse, filters: Annotated[FindingFilters, StrictQuery(...)]
) -> FindingPage:
    """Those that nobody has explained, in order of their ids."""
    rows = Finding.objects.open().order_by("pk")
    if filters.kind is not None:
        rows = rows.filter(kind=filters.kind)
    if filters.cursor:
        rows = rows.filter(pk__gt=number_of(key_of(filters.cursor, 1)[0]))
    found = list(rows[: filters.limit + 1])
    shown, has_more = found[: filters.limit], len(found) > filters.limit
    cursor = cursor_of(shown[-1].pk) if has_more else None
    return FindingPage(items=[_finding(each) for each in shown], next_cursor=link_next(request, response, cursor))


@router.post(
    "/findings/refresh",
    response={200: dict[str, int]},
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Compare measurements and incidents now",
    operation_id="refresh_findings",
)
def refresh_findings(request: HttpRequest) -> dict[str, int]:
    """As every night; returns the number of open findings."""
    return {"open": reconcile(timezone.now(), settings.PAGE_TIME_ZONE)}


@router.post(
    "/findings/{int:finding_id}/explain",
    response={204: None},
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Explain a finding",
    operation_id="explain_finding",
)
def explain_finding(request: HttpRequest, finding_id: int, body: Explanation) -> Any:
    """It is no longer listed. 409 if somebody explained it before."""
    if finding_id > changes.LARGEST_ID or not Finding.objects.filter(pk=finding_id).exists():
        raise ApiError("FINDING_NOT_FOUND", _("There is no finding %(id)s.") % {"id": finding_id}, status=404)
    explain(finding_id, body.explanation, who=changes.who(request), now=timezone.now())
    return HttpResponse(status=204)


@router.get(
    "/response_times",
    response=list[MonthOut],
    auth=Bearer(VIEW_INCIDENTS),
    summary="Read response times by month",
    operation_id="list_response_times",
)
def list_response_times(request: HttpRequest) -> list[MonthOut]:
    """The last twelve months and the current one, newest first; months without incidents are left out. One query."""
    now, zone = timezone.now(), settings.PAGE_TIME_ZONE
    first = date.fromordinal(day_of(now, zone).toordinal() - DAYS_OF_FIGURES)
    return [
        MonthOut(
            month=f"{each.first_day:%Y-%m}",
            incidents=each.incidents,
            missed_targets=each.missed,
            minutes_to_detect=each.to_detect,
            minutes_to_acknowledge=each.to_acknowledge,
            minutes_to_first_update=each.to_first_update,
            minutes_to_resolve=each.to_resolve,
        )
        for each in response_figures.by_month(first, now, zone)
    ]


def _find(incident_id: int) -> PostMortem:
    incident = changes.find(incident_id)
    found = PostMortem.objects.select_related("incident").filter(incident=incident).first()
    if found is None:
        words = _("Incident %(id)s has no post-mortem. Write one: PUT /api/v1/incidents/%(id)s/post_mortem")
        raise ApiError("POST_MORTEM_NOT_FOUND", words % {"id": incident_id}, status=404)
    return found


def _tagged(response: HttpResponse, post_mortem: PostMortem) -> PostMortemOut:
    shown = _shown(post_mortem)
    response.headers["ETag"] = preconditions.etag_of(shown)
    return shown


def _shown(post_mortem: PostMortem) -> PostMortemOut:
    events = post_mortems.timeline(post_mortem.incident, with_internal=True, now=timezone.now())
    return PostMortemOut(
        summary=post_mortem.summary,
        summary_translations=post_mortem.summary_translations,
        root_cause=post_mortem.root_cause,
        root_cause_translations=post_mortem.root_cause_translations,
        notes=post_mortem.notes,
        actions=[
            Action(text=each.text, owner=name_of(each.owner), due_on=each.due_on, is_done=each.done_at is not None)
            for each in post_mortem.follow_ups.select_related("owner").order_by("pk")
        ],
        timeline=[
            Event(
                at=event.at,
                kind=event.kind,
                service_id=event.service_id,
                status=event.status,
                text=event.text,
                is_public=event.is_public,
                until=event.until,
            )
            for event in events
        ],
        published_at=post_mortem.published_at,
        updated_at=post_mortem.updated_at,
    )


def _owners(body: PostMortemWrite) -> dict[str, User]:
    names = {action.owner for action in body.actions if action.owner is not None}
    owners = {user.username: user for user in User.objects.filter(username__in=names, is_active=True)}
    if missing := sorted(names - owners.keys()):
        raise refused({"actions": _("There is no active user %(name)s.") % {"name": missing[0]}})
    return owners


def _replace_actions(post_mortem: PostMortem, body: PostMortemWrite, owners: dict[str, User], now: datetime) -> None:
    """Store the actions in the body; one that was done before keeps its time."""
    done = dict(post_mortem.follow_ups.exclude(done_at=None).values_list("text", "done_at"))
    post_mortem.follow_ups.all().delete()
    FollowUp.objects.bulk_create(
        FollowUp(
            post_mortem=post_mortem,
            text=action.text,
            owner=owners.get(action.owner or ""),
            due_on=action.due_on,
            done_at=done.get(action.text, now) if action.is_done else None,
        )
        for action in body.actions
    )


def _finding(each: Finding) -> FindingOut:
    return FindingOut(
        id=each.pk,
        kind=FindingKind(each.kind),
        service_id=each.service_id,
        incident_id=each.incident_id,
        measured_at=each.measured_at,
        measured_until=each.measured_until,
        told_at=each.told_at,
        found_at=each.found_at,
    )
