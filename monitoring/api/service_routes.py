"""`/api/v1/services`: the services and their settings."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Router
from ninja.responses import Status as Answer
from pydantic import BaseModel, Field

from accounts.bearer import Bearer
from accounts.callers import caller
from accounts.permissions import CHANGE_SERVICES, PAUSE_SERVICES, PROBE_SERVICES, SEE_SERVICES, VIEW_SERVICES
from monitoring.api import preconditions, service_changes
from monitoring.api.attempts import AttemptOut, attempt_out
from monitoring.api.parameters import Paged, StrictQuery, Text, cursor_of, key_of, link_next
from monitoring.api.service_schemas import (
    STATUS,
    ServiceCreate,
    ServiceOut,
    ServicePage,
    ServicePatch,
    ServiceReplace,
    shown,
)
from monitoring.engine.check_now import TooManyChecks, check_on_request
from monitoring.models import Service
from monitoring.probes import KINDS
from monitoring.probes.failures import NoNameServer, NotAllowed, NotKnown
from monitoring.rules.state import Status
from monitoring.states.live import with_live_status
from observability.errors import ApiError

router = Router(tags=["Services"])


class ServiceFilters(Paged):
    status: Status | None = Field(None, description=STATUS)
    group: Text | None = Field(None, description="Exact name of a group; empty for services without a group.")
    tag: Text | None = Field(None, description="Only services with this tag.")
    kind: Literal[tuple(KINDS)] | None = Field(None, description="Only services with this kind of check.")  # type: ignore[valid-type]
    is_active: bool | None = Field(None, description="False for paused services.")
    is_archived: bool = Field(False, description="Archived services instead of existing ones.")

    def choose(self, now: datetime) -> QuerySet[Service]:
        """Return the requested services with their states, in order of their ids."""
        found: QuerySet[Service] = Service.objects.select_related("state").filter(
            archived_at__isnull=not self.is_archived
        )
        exact = {"group_name": self.group, "kind": self.kind, "is_active": self.is_active}
        found = found.filter(**{column: value for column, value in exact.items() if value is not None})
        if self.status is not None:
            found = with_live_status(found, now).filter(live_status=self.status)
        if self.tag is not None:
            found = found.filter(tags__contains=[self.tag])
        if self.cursor:
            found = found.filter(id__gt=key_of(self.cursor, 1)[0])
        return found.order_by("id")


class Reason(BaseModel, extra="forbid"):
    reason: Text = Field(min_length=1, max_length=500, examples=["deploying 2.4"], description="Stored with the pause.")


def _sees_settings(request: HttpRequest) -> bool:
    return caller(request).may(VIEW_SERVICES)


def _tagged(response: HttpResponse, service: ServiceOut) -> ServiceOut:
    response.headers["ETag"] = preconditions.etag_of(service)
    return service


@router.get(
    "/services",
    response=ServicePage,
    auth=Bearer(SEE_SERVICES),
    exclude_unset=True,
    summary="List services",
    operation_id="list_services",
)
def list_services(
    request: HttpRequest, response: HttpResponse, filters: Annotated[ServiceFilters, StrictQuery(...)]
) -> ServicePage:
    """In order of their ids. One query, however many there are."""
    now = timezone.now()
    found = list(filters.choose(now)[: filters.limit + 1])
    services, has_more = found[: filters.limit], len(found) > filters.limit
    with_settings = _sees_settings(request)
    return ServicePage(
        items=[shown(service, now=now, with_settings=with_settings) for service in services],
        next_cursor=link_next(request, response, cursor_of(services[-1].id) if has_more else None),
    )


@router.post(
    "/services",
    response={201: ServiceOut},
    auth=Bearer(CHANGE_SERVICES),
    summary="Create a service",
    operation_id="create_service",
)
def create_service(request: HttpRequest, response: HttpResponse, body: ServiceCreate) -> Any:
    """Create a service. If there are problems, all are reported and nothing is created."""
    service = _tagged(response, service_changes.create(request, body.root, timezone.now()))
    response.headers["Location"] = request.build_absolute_uri(f"{request.path}/{service.id}")
    return Answer(201, service)


@router.get(
    "/services/{slug:service_id}",
    response=ServiceOut,
    auth=Bearer(SEE_SERVICES),
    exclude_unset=True,
    summary="Read a service",
    operation_id="read_service",
)
def read_service(request: HttpRequest, response: HttpResponse, service_id: str) -> Any:
    """With an `ETag`, for `If-None-Match`, which saves the body, and `If-Match`, which guards a change."""
    service = _tagged(
        response, shown(service_changes.find(service_id), now=timezone.now(), with_settings=_sees_settings(request))
    )
    if preconditions.is_known(request, response.headers["ETag"]):
        return HttpResponse(status=304, headers={"ETag": response.headers["ETag"]})
    return service


@router.put(
    "/services/{slug:service_id}",
    response=ServiceOut,
    auth=Bearer(CHANGE_SERVICES),
    summary="Replace a service",
    operation_id="replace_service",
)
def replace_service(request: HttpRequest, response: HttpResponse, service_id: str, body: ServiceReplace) -> ServiceOut:
    """Replace all settings; `If-Match` is required. The body of a GET can be sent back: values that the monitor
    maintains are ignored if unchanged, and secrets shown as dots are kept."""
    return _tagged(response, service_changes.change(request, service_id, body.root, timezone.now(), is_whole=True))


@router.patch(
    "/services/{slug:service_id}",
    response=ServiceOut,
    auth=Bearer(CHANGE_SERVICES),
    summary="Change a service",
    operation_id="change_service",
)
def change_service(request: HttpRequest, response: HttpResponse, service_id: str, body: ServicePatch) -> ServiceOut:
    """Change some settings and keep the others; `If-Match` is optional."""
    return _tagged(response, service_changes.change(request, service_id, body.root, timezone.now(), is_whole=False))


@router.delete(
    "/services/{slug:service_id}",
    response={204: None},
    auth=Bearer(CHANGE_SERVICES),
    summary="Archive a service",
    operation_id="archive_service",
)
def archive_service(request: HttpRequest, service_id: str) -> Any:
    """The service is no longer checked and disappears from the public page. Nothing is deleted; its id stays taken."""
    service_changes.archive(request, service_id, timezone.now())
    return Answer(204, None)


@router.post(
    "/services/{slug:service_id}/restore",
    response=ServiceOut,
    auth=Bearer(CHANGE_SERVICES),
    summary="Restore an archived service",
    operation_id="restore_service",
)
def restore_service(request: HttpRequest, response: HttpResponse, service_id: str) -> ServiceOut:
    """The service is checked as before, with its settings and its history."""
    return _tagged(response, service_changes.restore(request, service_id, timezone.now()))


@router.post(
    "/services/{slug:service_id}/pause",
    response=ServiceOut,
    auth=Bearer(PAUSE_SERVICES),
    summary="Pause a service",
    operation_id="pause_service",
)
def pause_service(request: HttpRequest, response: HttpResponse, service_id: str, body: Reason) -> ServiceOut:
    """Stop checking the service. The time until it is resumed counts as neither up nor down."""
    return _tagged(response, service_changes.pause(request, service_id, body.reason, timezone.now()))


@router.post(
    "/services/{slug:service_id}/resume",
    response=ServiceOut,
    auth=Bearer(PAUSE_SERVICES),
    summary="Resume a service",
    operation_id="resume_service",
)
def resume_service(request: HttpRequest, response: HttpResponse, service_id: str) -> ServiceOut:
    """Check the service again from now on."""
    return _tagged(response, service_changes.resume(request, service_id, timezone.now()))


@router.post(
    "/services/{slug:service_id}/check_now",
    response=AttemptOut,
    auth=Bearer(PROBE_SERVICES),
    summary="Check a service now",
    operation_id="check_service_now",
)
def check_service_now(request: HttpRequest, service_id: str) -> AttemptOut:
    """Check the service while you wait, up to 20 s, with all phases of all requests. Nothing is stored or counted."""
    service = service_changes.find_present(service_id)
    if service.kind not in KINDS or not service.check_kind.is_active:
        words = _("The service %(id)s reports to us; there is nothing to probe.")
        raise ApiError("NOT_PROBED", words % {"id": service_id}, status=409)
    try:
        return attempt_out(check_on_request(service, timezone.now()))
    except TooManyChecks as error:
        words = _("Too many checks are running on request. Try again in a moment.")
        raise ApiError("TOO_MANY_CHECKS", words, status=429, headers={"Retry-After": "2"}) from error
    except NotAllowed as error:
        words = _("This service is not checked: %(why)s. Our own setting is the reason, so the time counts as unknown.")
        raise ApiError("ADDRESS_REFUSED", words % {"why": error}, status=409) from error
    except NoNameServer as error:
        words = _(
            "This service is not checked: %(why)s. Our own DNS servers are at fault, so the time counts as unknown."
        )
        raise ApiError("DNS_UNAVAILABLE", words % {"why": error}, status=503, headers={"Retry-After": "10"}) from error
    except NotKnown as error:
        words = _("There is no result: %(why)s. This says nothing about the target, so the time counts as unknown.")
        raise ApiError("NOT_KNOWN", words % {"why": error}, status=409) from error
