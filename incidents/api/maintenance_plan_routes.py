"""`/api/v1/maintenance_plans`: maintenance, planned once or by a rule."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Router
from ninja.responses import Status as Answer
from pydantic import BaseModel, Field

from accounts.bearer import Bearer
from accounts.permissions import ADD_MAINTENANCE, CHANGE_MAINTENANCE, VIEW_MAINTENANCE
from incidents.api import changes
from incidents.api.maintenance_schemas import START, PlanOut, PlanPatch, PlanWrite
from incidents.maintenance import acts, planning, running
from incidents.models import MaintenancePlan
from monitoring.api import preconditions
from monitoring.api.parameters import Paged, SlugText, StrictQuery, cursor_of, key_of, link_next, number_of
from observability.errors import ApiError

router = Router(tags=["Maintenance"])
USERS = ("author", "cancelled_by")
FIELDS = {"starts_on": "start", "wall_time": "start"}  # where the API names a column in another way


class PlanFilters(Paged):
    is_cancelled: bool | None = None
    service: SlugText | None = Field(None, description="Plans that name this service.")

    def choose(self) -> QuerySet[MaintenancePlan]:
        """Return the requested plans, newest first."""
        found = _plans()
        if self.is_cancelled is not None:
            found = found.filter(cancelled_at__isnull=not self.is_cancelled)
        if self.service is not None:
            found = found.filter(services=self.service)
        if self.cursor:
            found = found.filter(pk__lt=number_of(key_of(self.cursor, 1)[0]))
        return found.order_by("-pk")


class PlanPage(BaseModel):
    items: list[PlanOut]
    next_cursor: str | None


@router.get(
    "/maintenance_plans",
    response=PlanPage,
    auth=Bearer(VIEW_MAINTENANCE),
    summary="List maintenance plans",
    operation_id="list_maintenance_plans",
)
def list_maintenance_plans(
    request: HttpRequest, response: HttpResponse, filters: Annotated[PlanFilters, StrictQuery(...)]
) -> PlanPage:
    """Newest first. Their dates are listed under `/maintenance`."""
    found = list(filters.choose()[: filters.limit + 1])
    shown, has_more = found[: filters.limit], len(found) > filters.limit
    cursor = cursor_of(shown[-1].pk) if has_more else None
    return PlanPage(items=[PlanOut.of(each) for each in shown], next_cursor=link_next(request, response, cursor))


@router.post(
    "/maintenance_plans",
    response={201: PlanOut},
    auth=Bearer(ADD_MAINTENANCE),
    summary="Plan maintenance",
    operation_id="create_maintenance_plan",
)
def create_maintenance_plan(request: HttpRequest, response: HttpResponse, body: PlanWrite) -> Any:
    """It is announced, begins and ends by itself. Refused if other maintenance covers a service at one of its dates."""
    plan, now = MaintenancePlan(), timezone.now()
    _store(request, plan, body.model_dump(), now)
    response.headers["Location"] = request.build_absolute_uri(f"{request.path}/{plan.pk}")
    return Answer(201, _tagged(response, find(plan.pk)))


@router.get(
    "/maintenance_plans/{int:plan_id}",
    response=PlanOut,
    auth=Bearer(VIEW_MAINTENANCE),
    summary="Read a maintenance plan",
    operation_id="read_maintenance_plan",
)
def read_maintenance_plan(request: HttpRequest, response: HttpResponse, plan_id: int) -> Any:
    """With an `ETag`, for `If-None-Match` and `If-Match`."""
    shown = _tagged(response, find(plan_id))
    if preconditions.is_known(request, response.headers["ETag"]):
        return HttpResponse(status=304, headers={"ETag": response.headers["ETag"]})
    return shown


@router.patch(
    "/maintenance_plans/{int:plan_id}",
    response=PlanOut,
    auth=Bearer(CHANGE_MAINTENANCE),
    summary="Change a maintenance plan",
    operation_id="change_maintenance_plan",
)
def change_maintenance_plan(request: HttpRequest, response: HttpResponse, plan_id: int, body: PlanPatch) -> PlanOut:
    """Change some values and keep the others, for the dates that have not begun; `If-Match` is optional."""
    given, now = body.model_dump(exclude_unset=True, exclude_none=True), timezone.now()
    return _tagged(response, change(request, plan_id, lambda plan: _store(request, plan, given, now)))


@router.post(
    "/maintenance_plans/{int:plan_id}/cancel",
    response=PlanOut,
    auth=Bearer(CHANGE_MAINTENANCE),
    summary="Cancel a maintenance plan",
    operation_id="cancel_maintenance_plan",
)
def cancel_maintenance_plan(request: HttpRequest, response: HttpResponse, plan_id: int) -> PlanOut:
    """A date that is under way ends, and all later ones are cancelled. 409 if it was cancelled before."""
    by, now, zone = changes.who(request), timezone.now(), settings.PAGE_TIME_ZONE
    act = lambda plan: acts.cancel(plan.pk, by=by, now=now, zone=zone)  # noqa: E731
    return _tagged(response, change(request, plan_id, act))


def change(request: HttpRequest, plan_id: int, act: Callable[[MaintenancePlan], object]) -> MaintenancePlan:
    """Lock maintenance, compare the tag of the caller, and act. Raises `ApiError`."""
    with transaction.atomic():
        running.lock()
        plan = find(plan_id)
        preconditions.demand(request, preconditions.etag_of(PlanOut.of(plan)), is_required=False)
        act(plan)
    return find(plan_id)


def find(plan_id: int) -> MaintenancePlan:
    """Return a plan with its services and users. Two queries. Raises `ApiError`, 404."""
    plan = _plans().filter(pk=plan_id).first() if plan_id <= changes.LARGEST_ID else None
    if plan is None:
        words = _("There is no maintenance plan %(id)s.") % {"id": plan_id}
        raise ApiError("MAINTENANCE_NOT_FOUND", words, status=404)
    return plan


@contextmanager
def named_as_sent() -> Iterator[None]:
    """Let a refused plan be reported by the names of the request."""
    try:
        yield
    except ValidationError as error:
        if not hasattr(error, "error_dict"):
            raise
        raise ValidationError({FIELDS.get(name, name): errors for name, errors in error.error_dict.items()}) from error


def _store(request: HttpRequest, plan: MaintenancePlan, given: Mapping[str, Any], now: datetime) -> None:
    """Set values of a plan, and store it with its services and dates. Raises `ApiError` or ValidationError."""
    for name, value in given.items():
        if name == "start":
            start = datetime.strptime(value, START)  # noqa: DTZ007  wall time
            plan.starts_on, plan.wall_time = start.date(), start.time()
        elif name != "services":
            setattr(plan, name, value)
    services = changes.demand_services(given["services"]) if "services" in given else list(plan.services.all())
    with named_as_sent():
        planning.save(plan, services, by=changes.who(request), now=now, zone=settings.PAGE_TIME_ZONE)


def _plans() -> QuerySet[MaintenancePlan]:
    return MaintenancePlan.objects.select_related(*USERS).prefetch_related("services")


def _tagged(response: HttpResponse, plan: MaintenancePlan) -> PlanOut:
    shown = PlanOut.of(plan)
    response.headers["ETag"] = preconditions.etag_of(shown)
    return shown
