"""`/api/v1/services/…/ledger`: the intervals behind a figure, with the details that need an account."""

from datetime import date, datetime
from typing import Annotated

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router
from pydantic import BaseModel, Field

from accounts.bearer import Bearer
from accounts.permissions import VIEW_CHECKS
from incidents.models import Incident
from monitoring.accounting import ledger
from monitoring.api.figure_schemas import AS_MEASURED, PERCENTAGE, BoundsOut, FiguresOut, PolicyOut, SecondsOut
from monitoring.api.parameters import StrictQuery, Windowed
from monitoring.api.service_changes import find
from monitoring.models.record_versions import Cause
from monitoring.rules.sla import Kind
from statuspage.ledger import export

router = Router(tags=["Figures"])


class ServiceName(BaseModel):
    id: str
    name: str


class IntervalOut(BaseModel):
    """A half-open stretch of time [from, to) that counts as one kind."""

    kind: Kind
    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    seconds: int
    cause: str | None = Field(description="Reason for the kind, if not obvious.")
    message: str | None = Field(description="Error of the check that found the service down.")
    last_good_at: datetime | None
    first_bad_at: datetime | None
    incidents: list[str] = Field(description="Titles of the incidents that were open during the interval.")
    at_least_s: int | None = Field(description="Of downtime: from the first bad check to the last.")
    at_most_s: int | None = Field(description="Of downtime: from the last good check before to the first after.")


class DayOut(BaseModel):
    """A calendar day of the installation's time zone, or the part of it that lies in the window."""

    on: date = Field(alias="date")
    status: str = Field(description="`o`, `po`, `mo`, `nd`, or `e` before the service existed.")
    uptime: str | None = Field(description=PERCENTAGE)
    coverage: str | None = Field(description=PERCENTAGE)
    seconds: SecondsOut
    policy_version: int


class ReadingOut(BaseModel):
    figures: FiguresOut
    seconds: SecondsOut
    down: BoundsOut
    days: list[DayOut]
    intervals: list[IntervalOut] = Field(
        description="Intervals in order; together they cover the accounted part of the window."
    )


class RestatementOut(BaseModel):
    """A stretch of time that was corrected after a review."""

    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    kind: Kind = Field(alias="as")
    reason: str
    proposed_at: datetime
    proposed_by: str | None = Field(description="Name of a user; null if the account was deleted.")
    decided_at: datetime
    decided_by: str | None
    is_self_approved: bool = Field(
        description="Proposed and approved by the same person because there was no other admin."
    )


class LateOut(BaseModel):
    """Maintenance or a pause that was entered or withdrawn too late to be announced."""

    kind: Kind
    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    seconds: int
    is_withdrawn: bool = Field(description="The entry was in time, and was withdrawn afterwards.")
    is_counted: bool = Field(description="According to the policy, the entry or its withdrawal does not count.")
    entered_at: datetime
    entered_by: str | None = Field(description="Name of a user; null if the account was deleted.")
    reason: str


class EarlierOut(BaseModel):
    """The published figures of a day before it was accounted again."""

    on: date = Field(alias="date")
    until: datetime = Field(description="Time at which other figures replaced these.")
    cause: Cause
    status: str
    uptime: str | None = Field(description=PERCENTAGE)
    coverage: str | None = Field(description=PERCENTAGE)
    seconds: SecondsOut


class LedgerOut(ReadingOut):
    service: ServiceName
    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    accounted_until: datetime = Field(description="Earlier than `to` if `to` is in the future.")
    time_zone: str
    policies: list[PolicyOut]
    sample_days: int = Field(description="Days of the window with sample data.")
    as_measured: ReadingOut | None = Field(description=AS_MEASURED)
    restatements: list[RestatementOut]
    entered_late: list[LateOut]
    earlier_figures: list[EarlierOut]


@router.get(
    "/services/{slug:service_id}/ledger",
    response=LedgerOut,
    auth=Bearer(VIEW_CHECKS),
    by_alias=True,
    summary="Read the ledger of a service",
    operation_id="read_ledger",
)
def read_ledger(request: HttpRequest, service_id: str, filters: Annotated[Windowed, StrictQuery(...)]) -> LedgerOut:
    """The ordered intervals behind the figures of any window up to 400 days, and each of its days."""
    service, window = find(service_id), filters.window()
    found = ledger.read(service, window.start, window.end, timezone.now(), settings.PAGE_TIME_ZONE)
    incidents = list(Incident.objects.touching(service, window.start, window.end))
    return LedgerOut.model_validate(export.document(found, incidents, with_messages=True))
