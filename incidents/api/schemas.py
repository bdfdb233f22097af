"""The bodies of incidents and updates in the API."""

import re
from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, StrictBool

from incidents import markdown
from incidents.models import Impact, Incident, IncidentStatus, IncidentUpdate, Priority, Severity
from incidents.targets import response_of
from monitoring.api.parameters import Text

MESSAGE = "Markdown: emphasis, lists, links, tables and code; HTML and images are shown as text."
TRANSLATIONS = "By language code, for readers of that language; the others get the text itself."
LANGUAGES = frozenset(code for code, _name in settings.LANGUAGES)


def known_languages(texts: dict[str, str]) -> dict[str, str]:
    if unknown := sorted(texts.keys() - LANGUAGES):
        raise ValueError(
            f"{unknown[0]!r} is not a language of the page. Its languages are {', '.join(sorted(LANGUAGES))}."
        )
    return texts


def _readable(text: str) -> str:
    try:
        markdown.validate(text)
    except ValidationError as error:
        raise ValueError(" ".join(error.messages)) from error
    return text


def _written_out(value: object) -> object:
    if not isinstance(value, str) or not re.match(INSTANT, value):
        raise ValueError(f"{value!r} is not a time with its offset. Enter one such as 2027-03-02T02:00:00Z.")
    return value


def _can_be_stored(value: datetime) -> datetime:
    if not 1970 < value.year < 9999:
        raise ValueError(f"the year {value.year} is out of range. Enter a time from 1971 to 9998.")
    return value


INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)$"
# pydantic would take numbers as well, whose unit it guesses.
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_written_out),
    AfterValidator(_can_be_stored),
    Field(json_schema_extra={"pattern": INSTANT}),
]
Title = Annotated[str, AfterValidator(_readable), Field(min_length=1, max_length=200, pattern=r"^[^\x00]*\S[^\x00]*$")]
# The length is checked by `markdown.validate`, whose message says by how much it is too long.
Message = Annotated[str, AfterValidator(_readable), Field(pattern=r"^[^\x00]*$")]
Titles = Annotated[dict[str, Title], AfterValidator(known_languages), Field(description=TRANSLATIONS)]
Messages = Annotated[dict[str, Message], AfterValidator(known_languages), Field(description=TRANSLATIONS)]
Impacts = Annotated[dict[str, Impact], Field(description="The impact on each affected service, by its id.")]


class UpdateWrite(BaseModel, extra="forbid"):
    status: IncidentStatus = Field(description="The status of the incident from this update on.")
    message: Annotated[Message, Field(min_length=1, description=MESSAGE)]
    message_translations: Messages = {}
    is_customer_visible: StrictBool = Field(True, description="False for an internal note.")
    impacts: Impacts | None = Field(None, description="Impacts that change; null changes none.")
    publish_at: Instant | None = Field(None, description="When it takes effect; null: now.")


class UpdateCorrect(BaseModel, extra="forbid"):
    message: Annotated[Message, Field(min_length=1, description=MESSAGE)]
    message_translations: Messages = {}


class UpdateOut(BaseModel):
    """An update. One that was corrected keeps its earlier texts."""

    id: int
    status: IncidentStatus
    message: str
    message_translations: dict[str, str]
    is_customer_visible: bool
    is_proposed: bool = Field(description="Proposed by the monitor; takes effect once somebody publishes it.")
    impacts: dict[str, Impact] | None
    publish_at: datetime | None = Field(description="When a scheduled update takes effect.")
    published_at: datetime | None = Field(description="When it took effect; null: it has not yet.")
    edited_at: datetime | None = Field(description="Time of the last correction.")
    created_at: datetime
    created_by: str | None

    @classmethod
    def of(cls, update: IncidentUpdate) -> "UpdateOut":
        return cls(
            id=update.pk,
            status=IncidentStatus(update.status),
            message=update.message,
            message_translations=update.message_translations,
            is_customer_visible=update.is_customer_visible,
            is_proposed=update.is_proposed,
            impacts=update.impacts,
            publish_at=update.publish_at,
            published_at=update.published_at,
            edited_at=update.edited_at,
            created_at=update.created_at,
            created_by=name_of(update.created_by),
        )


class IncidentWrite(BaseModel, extra="forbid"):
    title: Title
    title_translations: Titles = {}
    description: Text = Field("", description="Internal.")
    severity: Severity = Severity.MEDIUM
    priority: Priority = Priority.P3
    started_at: Instant | None = Field(None, description="Default: now.")
    services: Impacts = {}
    impact_description: Text = ""
    root_cause: Text = ""
    resolution_notes: Text = ""


class IncidentCreate(IncidentWrite):
    is_draft: StrictBool = Field(False, description="Customers don't see it until it is published.")
    update: UpdateWrite | None = Field(None, description="The first update.")


class IncidentPatch(BaseModel, extra="forbid"):
    title: Title | None = None
    title_translations: Titles | None = None
    description: Text | None = None
    severity: Severity | None = None
    priority: Priority | None = None
    started_at: Instant | None = None
    services: Impacts | None = Field(None, description="Replaces all affected services.")
    impact_description: Text | None = None
    root_cause: Text | None = None
    resolution_notes: Text | None = None


class IncidentOut(BaseModel):
    """An incident. Its status and its times follow from its updates."""

    id: int
    title: str
    title_translations: dict[str, str]
    description: str
    status: IncidentStatus
    severity: Severity
    priority: Priority
    services: Impacts
    started_at: datetime
    identified_at: datetime | None
    resolved_at: datetime | None
    duration_minutes: int | None = Field(description="From start to end, rounded up; null while it is open.")
    impact_description: str
    root_cause: str
    resolution_notes: str
    is_draft: bool = Field(description="Customers don't see it.")
    is_automatic: bool = Field(description="Drafted by the monitor, from measurements.")
    published_at: datetime | None
    dismissed_at: datetime | None
    detected_at: datetime | None = Field(description="When the monitor confirmed the outage.")
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    first_update_at: datetime | None = Field(description="When customers could read the first update.")
    respond_by: datetime = Field(description="When the first update was, or is, due by the priority.")
    is_target_missed: bool
    created_by: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, incident: Incident, now: datetime) -> "IncidentOut":
        """Return the incident; its affected services and users should be prefetched."""
        response = response_of(
            incident.priority, incident.started_at, incident.first_update_at, incident.resolved_at, now
        )
        same: dict[str, Any] = {name: getattr(incident, name) for name in SAME}
        return cls(
            **same,
            services={each.service_id: Impact(each.impact) for each in incident.affectedservice_set.all()},
            is_draft=incident.published_at is None,
            acknowledged_by=name_of(incident.acknowledged_by),
            created_by=name_of(incident.created_by),
            respond_by=response.due_at,
            is_target_missed=response.is_missed,
        )


SAME = (
    *("id", "title", "title_translations", "description", "status", "severity", "priority"),
    *("started_at", "identified_at", "resolved_at", "duration_minutes"),
    *("impact_description", "root_cause", "resolution_notes", "is_automatic", "published_at", "dismissed_at"),
    *("detected_at", "acknowledged_at", "first_update_at", "created_at", "updated_at"),
)


def name_of(user: Any) -> str | None:
    return str(user) if user is not None else None
