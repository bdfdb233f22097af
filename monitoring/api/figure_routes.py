"""`/api/v1/services/…/uptime` and `/percentiles`: figures of any window."""

from datetime import datetime
from typing import Annotated

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router
from pydantic import BaseModel, Field

from accounts.bearer import Bearer
from accounts.permissions import SEE_SERVICES
from monitoring.accounting import ledger, percentiles
from monitoring.api import service_changes
from monitoring.api.figure_schemas import (
    AS_MEASURED,
    BoundsOut,
    FiguresOut,
    PolicyOut,
    SecondsOut,
    bounds_out,
    figures_out,
    policy_out,
    seconds_out,
)
from monitoring.api.parameters import StrictQuery, Windowed

router = Router(tags=["Figures"])


class UptimeOut(BaseModel):
    service_id: str
    since: datetime = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to")
    accounted_until: datetime = Field(description="Earlier than `to` if `to` is in the future.")
    time_zone: str = Field(description="Time zone of the days.")
    figures: FiguresOut
    seconds: SecondsOut
    down: BoundsOut
    as_measured: FiguresOut | None = Field(description=AS_MEASURED)
    policies: list[PolicyOut] = Field(description="Policies in force in the window, in order.")
    sample_days: int = Field(description="Days of the window with sample data.")


class PercentileFilters(Windowed):
    percents: str = Field(
        "50,95,99",
        alias="p",
        max_length=200,
        pattern=r"^(100|\d{1,2}(\.\d{1,6})?)(,(100|\d{1,2}(\.\d{1,6})?))*$",
        description="Percentiles, separated by commas, for example 50,99.9",
    )

    def chosen(self) -> list[float]:
        return [float(percent) for percent in self.percents.split(",")]


class PercentileOut(BaseModel):
    percent: float
    response_time: float | None = Field(
        description="Milliseconds that this share of responses did not exceed, accurate to 1 %."
    )


class PercentilesOut(BaseModel):
    service_id: str
    since: datetime = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to")
    count: int = Field(description="Number of answered requests. Only HTTP checks send requests.")
    percentiles: list[PercentileOut]
    is_complete: bool = Field(
        description="False if raw requests of a partial day in the window have already been deleted."
    )


@router.get(
    "/services/{slug:service_id}/uptime",
    response=UptimeOut,
    auth=Bearer(SEE_SERVICES),
    by_alias=True,
    summary="Read the uptime of a service",
    operation_id="read_uptime",
)
def read_uptime(request: HttpRequest, service_id: str, filters: Annotated[Windowed, StrictQuery(...)]) -> UptimeOut:
    """The figures of any window up to 400 days; the ledger has the intervals behind them."""
    service, window = service_changes.find(service_id), filters.window()
    found = ledger.read(service, window.start, window.end, timezone.now(), settings.PAGE_TIME_ZONE)
    return UptimeOut(
        service_id=service.id,
        since=found.start_at,
        until=found.end_at,
        accounted_until=found.accounted_until,
        time_zone=settings.PAGE_TIME_ZONE.key,
        figures=figures_out(found.official),
        seconds=seconds_out(found.official),
        down=bounds_out(found.official),
        as_measured=figures_out(found.measured) if found.measured else None,
        policies=[policy_out(terms) for terms in found.terms],
        sample_days=found.sample_days,
    )


@router.get(
    "/services/{slug:service_id}/percentiles",
    response=PercentilesOut,
    auth=Bearer(SEE_SERVICES),
    by_alias=True,
    summary="Read the response times of a service",
    operation_id="read_percentiles",
)
def read_percentiles(
    request: HttpRequest, service_id: str, filters: Annotated[PercentileFilters, StrictQuery(...)]
) -> PercentilesOut:
    """Percentiles of all requests of any window together, never the mean of the percentiles of its days."""
    service, window = service_changes.find(service_id), filters.window()
    found = percentiles.read(service, window, timezone.now(), settings.PAGE_TIME_ZONE)
    return PercentilesOut(
        service_id=service.id,
        since=window.start,
        until=window.end,
        count=found.count,
        percentiles=[
            PercentileOut(percent=percent, response_time=found.percentile(percent)) for percent in filters.chosen()
        ],
        is_complete=found.is_complete,
    )
