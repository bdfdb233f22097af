"""`/api/v1/checks`: raw checks, newest first."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Router
from pydantic import BaseModel, Field

from accounts.bearer import Bearer
from accounts.permissions import VIEW_CHECKS
from monitoring.api import service_changes
from monitoring.api.attempts import PhasesOut
from monitoring.api.parameters import Paged, StrictQuery, Text, Windowed, bad_cursor, cursor_of, key_of, link_next
from monitoring.checks import check_search
from monitoring.checks.check_search import Key, Wanted
from monitoring.checks.compressed.reading import TooMuch
from monitoring.models import WatchServerLog
from monitoring.models.raw import BLIND_KEY
from monitoring.probes.model import ErrorType, Verdict
from monitoring.rules.unix_time import to_ms
from monitoring.worker.specs import trace_id
from observability import errors
from observability.errors import ApiError

router = Router(tags=["Checks"])


class CheckFilters(Paged, Windowed):
    verdict: Verdict | None = Field(None, description="`bad` counts as a failure, `slow` does not.")
    error_type: ErrorType | None = Field(None, description="Error type of a failure.")
    region: Text = Field("", description="Region that the check was made from.")

    def wanted(self, service_id: str) -> Wanted:
        window = self.window()
        return Wanted(
            since=window.start,
            until=min(window.end, timezone.now() + check_search.SEARCHED_AHEAD),  # reading starts at the end
            service_id=service_id,
            verdict=self.verdict or "",
            error_type=self.error_type or "",
            region=self.region,
        )

    def after(self) -> Key | None:
        """Return the check that the page follows. Raises `ApiError` for another cursor."""
        if not self.cursor:
            return None
        key = Key.parse(key_of(self.cursor, 1)[0])
        if key is None:
            raise bad_cursor()
        return key


class CheckOut(BaseModel):
    """One check, as it was recorded."""

    service_id: str
    checked_at: datetime = Field(description="Slot: the time at which the check was due.")
    region: str
    verdict: Verdict
    is_healthy: bool = Field(description="Whether the check counts as good: any verdict except `bad`.")
    response_time: float | None = Field(
        description="Duration of the whole attempt in milliseconds, including redirects and body, with or without a"
        " response."
    )
    status_code: int | None
    error_type: ErrorType | None = Field(description="Set only if the check is bad.")
    error_message: str | None
    lateness_ms: float = Field(description="Time from the slot to the start of the probe.")
    interval_ms: int = Field(description="Interval at that time; determines how long the check is valid.")
    phases: PhasesOut
    trace_id: str = Field(description="Sent to the target in `traceparent` and `X-Trace-Id`.")
    is_blind: bool = Field(
        description="Our network failed or our clock was ahead: the check says nothing about the service."
    )


class CheckPage(BaseModel):
    items: list[CheckOut]
    next_cursor: str | None


@router.get(
    "/checks",
    response=CheckPage,
    auth=Bearer(VIEW_CHECKS),
    summary="List checks of all services",
    operation_id="list_checks",
)
def list_checks(
    request: HttpRequest, response: HttpResponse, filters: Annotated[CheckFilters, StrictQuery(...)]
) -> CheckPage:
    """Newest first."""
    return _page(request, response, filters, "")


@router.get(
    "/services/{slug:service_id}/checks",
    response=CheckPage,
    auth=Bearer(VIEW_CHECKS),
    summary="List checks of a service",
    operation_id="list_checks_of_service",
)
def list_checks_of_service(
    request: HttpRequest, response: HttpResponse, service_id: str, filters: Annotated[CheckFilters, StrictQuery(...)]
) -> CheckPage:
    """Newest first, also of an archived service."""
    return _page(request, response, filters, service_changes.find(service_id).id)


def _page(request: HttpRequest, response: HttpResponse, filters: CheckFilters, service_id: str) -> CheckPage:
    page = check_search.read(filters.wanted(service_id), after=filters.after(), rows=filters.limit)
    return CheckPage(
        items=[_shown(check) for check in page.checks],
        next_cursor=link_next(request, response, cursor_of(page.older) if page.older else None),
    )


def _shown(check: WatchServerLog) -> CheckOut:
    metadata: dict[str, Any] = check.metadata or {}
    return CheckOut(
        service_id=check.service_id,
        checked_at=check.checked_at,
        region=check.region,
        verdict=Verdict(check.verdict),
        is_healthy=check.is_healthy,
        response_time=check.response_time,
        status_code=check.status_code,
        error_type=ErrorType(check.error_type) if check.error_type else None,
        error_message=check.error_message,
        lateness_ms=check.lateness_ms,
        interval_ms=check.interval_ms,
        phases=PhasesOut(
            dns_ms=check.dns_ms,
            connect_ms=check.connect_ms,
            tls_ms=check.tls_ms,
            first_byte_ms=check.first_byte_ms,
            total_ms=check.response_time,
        ),
        trace_id=trace_id(check.service_id, check.region, to_ms(check.checked_at)),
        is_blind=BLIND_KEY in metadata,
    )


def _too_much(_error: TooMuch) -> ApiError:
    words = _("The search took too long. Choose a service, failures only, or a shorter period.")
    return ApiError("QUERY_TOO_WIDE", words, status=422)


errors.register(TooMuch, _too_much)
