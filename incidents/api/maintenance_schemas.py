"""The bodies of maintenance in the API."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt

from incidents.api.schemas import MESSAGE, Message, Messages, Title, Titles, name_of
from incidents.models import MaintenanceOccurrence, MaintenancePlan, MaintenanceUpdate
from incidents.models.maintenance import LONGEST_MINUTES
from monitoring.api.parameters import SlugText, Text
from monitoring.models.policies import LONGEST_NOTICE_HOURS

START = "%Y-%m-%dT%H:%M"
MOST_SERVICES, MOST_GROUPS = 100_000, 1_000  # in one plan


def _wall_time(text: str) -> str:
    try:
        datetime.strptime(text, START)  # noqa: DTZ007  wall time
    except ValueError:
        raise ValueError(f"{text!r} is not a time of a calendar. Enter one such as 2027-03-02T02:00.") from None
    return text


WallTime = Annotated[
    str,
    AfterValidator(_wall_time),
    Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d$", description="The first start, by the clock in `zone`."),
]
Zone = Annotated[Text, Field(min_length=1, description="Such as Europe/Berlin. The start keeps its time of day there.")]
Minutes = Annotated[
    StrictInt, Field(description=f"Elapsed time, 1 to {LONGEST_MINUTES:,} minutes, whatever clocks do.")
]
Rule = Annotated[Text, Field(description="An RRULE of RFC 5545, such as FREQ=WEEKLY;BYDAY=SU. Empty: once.")]
Services = Annotated[list[SlugText], Field(max_length=MOST_SERVICES)]
Groups = Annotated[
    list[Text], Field(max_length=MOST_GROUPS, description="With the services that they have at each date.")
]
Hours = Annotated[
    StrictInt,
    Field(
        ge=0, le=LONGEST_NOTICE_HOURS, description="Customers see a date so many hours before. 0: when it has begun."
    ),
]
ByHand = Annotated[StrictBool, Field(description="It stays under way after its planned end, until somebody ends it.")]


class PlanWrite(BaseModel, extra="forbid"):
    title: Title
    title_translations: Titles = {}
    description: Annotated[Message, Field(description=MESSAGE)] = ""
    description_translations: Messages = {}
    covers_all: StrictBool = Field(False, description="All services; `services` and `groups` are then ignored.")
    services: Services = []
    groups: Groups = []
    start: WallTime
    zone: Zone
    duration_minutes: Minutes
    rrule: Rule = ""
    announce_hours: Hours = 72
    ends_by_hand: ByHand = False


class PlanPatch(BaseModel, extra="forbid"):
    title: Title | None = None
    title_translations: Titles | None = None
    description: Annotated[Message, Field(description=MESSAGE)] | None = None
    description_translations: Messages | None = None
    covers_all: StrictBool | None = None
    services: Services | None = None
    groups: Groups | None = None
    start: WallTime | None = None
    zone: Zone | None = None
    duration_minutes: Minutes | None = None
    rrule: Rule | None = None
    announce_hours: Hours | None = None
    ends_by_hand: ByHand | None = None


class PlanOut(BaseModel):
    """Maintenance that is planned once or by a rule. Its dates are its occurrences."""

    id: int
    title: str
    title_translations: dict[str, str]
    description: str
    description_translations: dict[str, str]
    covers_all: bool
    services: list[str]
    groups: list[str]
    start: str
    zone: str
    duration_minutes: int
    rrule: str
    announce_hours: int
    ends_by_hand: bool
    file_id: str | None = Field(description="Its id in a services file, which may change it again.")
    created_by: str | None
    created_at: datetime
    updated_at: datetime
    cancelled_at: datetime | None
    cancelled_by: str | None

    @classmethod
    def of(cls, plan: MaintenancePlan) -> Self:
        """Return a plan; its services and users should be prefetched."""
        same: dict[str, Any] = {name: getattr(plan, name) for name in PLAN_SAME}
        return cls(
            **same,
            services=sorted(service.pk for service in plan.services.all()),
            start=f"{plan.first_wall:{START}}",
            file_id=plan.slug,
            created_by=name_of(plan.author),
            cancelled_by=name_of(plan.cancelled_by),
        )


PLAN_SAME = (
    *("id", "title", "title_translations", "description", "description_translations", "covers_all", "groups", "zone"),
    *("duration_minutes", "rrule", "announce_hours", "ends_by_hand", "created_at", "updated_at", "cancelled_at"),
)


class State(StrEnum):
    PLANNED = "planned"
    UNDER_WAY = "under_way"
    ENDED = "ended"
    CANCELLED = "cancelled"


class OccurrenceOut(BaseModel):
    """One date of a plan. Times are instants."""

    id: int
    plan_id: int
    title: str
    since: datetime
    until: datetime = Field(description="The planned end, until it has ended.")
    state: State
    is_overrun: bool = Field(description="Under way after its planned end.")
    is_skipped: bool = Field(description="Cancelled by a person, as a single date.")
    announced_at: datetime | None
    begun_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None = Field(description="Null: it ended by itself.")
    cancelled_at: datetime | None
    cancelled_by: str | None
    down_at_end: int = Field(description="Number of its services that were down when it ended by itself.")

    @classmethod
    def of(cls, each: MaintenanceOccurrence, now: datetime) -> Self:
        """Return an occurrence; its plan and users should be selected."""
        same: dict[str, Any] = {name: getattr(each, name) for name in OCCURRENCE_SAME}
        state = state_of(each)
        return cls(
            **same,
            title=each.plan.title,
            state=state,
            is_overrun=state == State.UNDER_WAY and each.until <= now,
            ended_by=name_of(each.ended_by),
            cancelled_by=name_of(each.cancelled_by),
        )


OCCURRENCE_SAME = (
    *("id", "plan_id", "since", "until", "is_skipped", "announced_at", "begun_at", "ended_at", "cancelled_at"),
    "down_at_end",
)


def state_of(each: MaintenanceOccurrence) -> State:
    if each.cancelled_at is not None:
        return State.CANCELLED
    if each.ended_at is not None:
        return State.ENDED
    return State.PLANNED if each.begun_at is None else State.UNDER_WAY


class Extension(BaseModel, extra="forbid"):
    minutes: StrictInt = Field(description="After the planned end, or after now if that has passed.")


class MaintenanceUpdateWrite(BaseModel, extra="forbid"):
    message: Annotated[Message, Field(min_length=1, description=MESSAGE)]
    message_translations: Messages = {}
    is_customer_visible: StrictBool = Field(True, description="False for an internal note.")


class MaintenanceUpdateOut(BaseModel):
    id: int
    message: str
    message_translations: dict[str, str]
    is_customer_visible: bool
    created_at: datetime
    created_by: str | None = Field(description="Null: the monitor.")

    @classmethod
    def of(cls, update: MaintenanceUpdate) -> Self:
        return cls(
            id=update.pk,
            message=update.message,
            message_translations=update.message_translations,
            is_customer_visible=update.is_customer_visible,
            created_at=update.created_at,
            created_by=name_of(update.created_by),
        )
