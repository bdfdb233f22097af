"""The content of the public page, read from the database in a fixed number of queries and kept as plain values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from django.db.models import OuterRef, Subquery

from incidents.models import Incident, IncidentUpdate, SystemStatus
from monitoring.accounting import stored_days
from monitoring.accounting.stored_days import Record
from monitoring.models import Service, ServiceState
from monitoring.probes.model import Verdict
from monitoring.rules.calendar_days import day_of
from monitoring.rules.state import Status
from monitoring.states.live import is_ahead, is_silent, status_at

DAYS = 90  # on the page, including today


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine:
    """A service at the moment of reading."""

    id: str
    name: str
    group: str  # services of one group are shown together; empty: no group
    status: Status  # live: unknown as soon as no check has arrived for too long, whatever is stored
    is_critical: bool
    checked_at: datetime | None  # the newest check; None: never measured, or its time is unknown
    is_silent: bool  # it was measured once and is no longer
    down_since: datetime | None  # first failed check of the outage, if known
    response_ms: float | None
    created_on: date
    days: Record  # of the last `DAYS`


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    id: int
    title: str
    status: str
    started_at: datetime
    message: str  # Markdown of the newest update that customers may see; empty: there is none
    updated_at: datetime | None
    is_edited: bool  # the newest update was corrected
    titles: Mapping[str, str]  # translations by language code
    messages: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageModel:
    """The whole page at one instant."""

    read_at: datetime
    change: int  # the change counter, read first: a change during the reading is noticed at the next poll
    services: tuple[ServiceLine, ...]
    incidents: tuple[OpenIncident, ...]
    message: str  # from the operator, shown below the banner
    sample_until: datetime | None  # earlier records are made up; None: none are
    first_day: date  # of the `DAYS`


def read(now: datetime, change: int, zone: ZoneInfo) -> PageModel:
    """Read the page as of now, with the days of a zone. Four queries, regardless of the number of services."""
    services = list(Service.objects.for_page())
    today = day_of(now, zone)
    first = today - timedelta(days=DAYS - 1)
    days = stored_days.recent([service.id for service in services], first, today, zone)
    return PageModel(
        read_at=now,
        change=change,
        services=tuple(
            _line(service, days.get(service.id, stored_days.NOTHING_STORED), now, zone) for service in services
        ),
        incidents=_open_incidents(),
        message=SystemStatus.objects.filter(id="current").values_list("message", flat=True).first() or "",
        sample_until=max(filter(None, (service.sample_until for service in services)), default=None),
        first_day=first,
    )


def _line(service: Service, days: Record, now: datetime, zone: ZoneInfo) -> ServiceLine:
    state: ServiceState | None = getattr(service, "state", None)
    name = service.display_name or service.name
    if state is None or state.run_last_at is None:
        return ServiceLine(
            id=service.id,
            name=name,
            group=service.group_name,
            status=Status.UNKNOWN,
            is_critical=service.is_critical,
            checked_at=None,
            is_silent=False,
            down_since=None,
            response_ms=None,
            created_on=day_of(service.created_at, zone),
            days=days,
        )
    status = status_at(state, now)
    return ServiceLine(
        id=service.id,
        name=name,
        group=service.group_name,
        status=status,
        is_critical=service.is_critical,
        checked_at=None if is_ahead(state, now) else state.run_last_at,
        is_silent=is_silent(state, now),
        # While a service is confirmed down its open run began with the first failed check.
        down_since=state.run_first_at if status is Status.DOWN and state.verdict == Verdict.BAD else None,
        response_ms=state.last_response_ms,
        created_on=day_of(service.created_at, zone),
        days=days,
    )


def _open_incidents() -> tuple[OpenIncident, ...]:
    newest = IncidentUpdate.objects.public().filter(incident=OuterRef("pk")).order_by("-created_at", "-id")
    columns = ("message", "created_at", "edited_at", "message_translations")
    rows = (
        Incident.objects.unresolved()
        .annotate(**{f"newest_{name}": Subquery(newest.values(name)[:1]) for name in columns})
        .order_by("-started_at")
    )
    return tuple(
        OpenIncident(
            id=row.id,
            title=row.title,
            status=row.status,
            started_at=row.started_at,
            message=row.newest_message or "",
            updated_at=row.newest_created_at,
            is_edited=row.newest_edited_at is not None,
            titles=row.title_translations,
            messages=row.newest_message_translations or {},
        )
        for row in cast("Iterable[Any]", rows)
    )
