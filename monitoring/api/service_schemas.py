"""A service as JSON, with the keys of a services file."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, GetJsonSchemaHandler, RootModel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from monitoring.api.check_schemas import check_schema
from monitoring.catalogue.plain_secrets import warnings_of
from monitoring.models import Service
from monitoring.models.services import INTERVAL_MS, SLUG_IN_SCHEMAS, THRESHOLD, TIMEOUT_MS, IncidentMode
from monitoring.rules.state import Status
from monitoring.states.live import status_at

EXAMPLE = {
    "id": "payments",
    "name": "Payments",
    "endpoint_url": "https://api.example.com/health",
    "check": {"kind": "http", "expected_status": [200], "degraded_over_ms": 800},
    "check_interval": 10_000,
}
EITHER_NAME = {"anyOf": [{"required": ["name"]}, {"required": ["display_name"]}]}
STATUS = "`o` operational, `po` partial outage, `mo` major outage, `nd` no data."


class ServiceOut(BaseModel):
    """A service. Its settings, from `endpoint_url` on, are included for callers with permission to see them."""

    id: str = Field(description="Identifier of the service in URLs. It cannot be changed.")
    name: str
    display_name: str = Field(description="Name shown to people.")
    description: str
    group: str = Field(description="Services with the same group are shown together on the page.")
    parent: str | None = Field(description="Id of the parent service.")
    tags: list[str]
    is_critical: bool = Field(
        description="Whether an outage of this service alone counts as an outage of the whole system."
    )
    is_active: bool = Field(description="False while the service is paused.")
    status: Status = Field(description=STATUS)
    created_at: datetime
    updated_at: datetime = Field(description="Time of the last change of settings.")
    archived_at: datetime | None = Field(description="Time at which the service was archived. Its history is kept.")
    endpoint_url: str | None = Field(None, description="Target of the check; null for a heartbeat.")
    check: dict[str, Any] = Field({}, description="Settings of the check. Secrets are always shown as dots.")
    check_interval: int = Field(0, description="Milliseconds.")
    timeout: int = Field(0, description="Total timeout in milliseconds, from DNS to the last byte.")
    regions: list[str] = Field([], description="Regions that the service is checked from.")
    quorum: int | None = Field(None, description="Number of regions that must see a failure; null for more than half.")
    incident_mode: IncidentMode = Field(IncidentMode.DRAFT, description="Effect of an outage on incidents.")
    failure_threshold: int | None = Field(None, description="Failure threshold; null for that of the policy.")
    recovery_threshold: int | None = Field(None, description="Recovery threshold; null for that of the policy.")
    metadata: dict[str, Any] = Field({}, description="Free-form notes.")
    version: int = Field(0, description="Increases with every change that affects probes.")
    warnings: list[str] = Field([], description="Unsealed settings that look like secrets, and what to do about them.")


def shown(service: Service, *, now: datetime, with_settings: bool) -> ServiceOut:
    """Return a service, fetched with its state, with the keys that the caller may see. No query."""
    values: dict[str, Any] = {
        "id": service.id,
        "name": service.name,
        "display_name": service.display_name,
        "description": service.description,
        "group": service.group_name,
        "parent": service.parent_id,
        "tags": service.tags,
        "is_critical": service.is_critical,
        "is_active": service.is_active,
        "status": status_at(getattr(service, "state", None), now),
        "created_at": service.created_at,
        "updated_at": service.updated_at,
        "archived_at": service.archived_at,
    }
    return ServiceOut(**values, **(_settings(service) if with_settings else {}))


def _settings(service: Service) -> dict[str, Any]:
    return {
        "endpoint_url": service.endpoint_url,
        "check": {"kind": service.kind, **service.shown_settings},
        "check_interval": service.check_interval,
        "timeout": service.timeout,
        "regions": service.regions,
        "quorum": service.quorum,
        "incident_mode": service.incident_mode,
        "failure_threshold": service.failure_threshold,
        "recovery_threshold": service.recovery_threshold,
        "metadata": service.metadata,
        "version": service.version,
        "warnings": warnings_of(service),
    }


class ServicePage(BaseModel):
    items: list[ServiceOut]
    next_cursor: str | None


class _Written(BaseModel):
    """The keys of a body, for the OpenAPI file.

    `monitoring/catalogue/service_bodies.py` and the model validate bodies, not this class.
    """

    id: str = Field(pattern=SLUG_IN_SCHEMAS, max_length=100, examples=["payments"])
    name: str = Field(
        min_length=1, max_length=100, description="Unique name. Default: the display name.", examples=["Payments"]
    )
    display_name: str = Field(min_length=1, max_length=100, description="Name shown to people. Default: the name.")
    description: str = ""
    endpoint_url: str | None = Field(
        description="Target of the check; not allowed for a heartbeat.", examples=["https://api.example.com/health"]
    )
    check: dict[str, Any]
    check_interval: int = Field(60_000, ge=INTERVAL_MS[0], le=INTERVAL_MS[1], description="Milliseconds.")
    timeout: int = Field(5_000, ge=TIMEOUT_MS[0], le=TIMEOUT_MS[1], description="Milliseconds.")
    is_active: bool = True
    regions: list[str] = Field(["default"], min_length=1)
    quorum: int | None = Field(None, ge=1)
    is_critical: bool = False
    incident_mode: Literal["draft", "publish", "off"] = "draft"
    failure_threshold: int | None = Field(None, ge=THRESHOLD[0], le=THRESHOLD[1])
    recovery_threshold: int | None = Field(None, ge=THRESHOLD[0], le=THRESHOLD[1])
    group: str = Field("", max_length=100)
    parent: str | None = None
    tags: list[str] = []
    metadata: dict[str, Any] = {}


class _ServiceBody(RootModel[dict[str, Any]]):
    """Any JSON object; the schema is documented, and the code for services files validates it."""

    needs: ClassVar[dict[str, Any]] = {}
    example: ClassVar[dict[str, Any]] = {}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        reference = handler(core)
        schema = handler.resolve_ref_schema(reference)
        properties = _Written.model_json_schema()["properties"] | {"check": check_schema()}
        found = {"type": "object", "title": cls.__name__, "description": cls.__doc__, "properties": properties}
        schema.clear()
        schema.update({**found, **cls.needs, "additionalProperties": False, "examples": [cls.example]})
        return reference


class ServiceCreate(_ServiceBody):
    """A new service. Secrets are written as {"secret": "…"} in settings that allow them."""

    needs: ClassVar[dict[str, Any]] = {"required": ["id"], **EITHER_NAME}
    example: ClassVar[dict[str, Any]] = EXAMPLE


class ServiceReplace(_ServiceBody):
    """All of a service: missing keys take their defaults, except `is_active`. A secret shown as dots is kept."""

    needs: ClassVar[dict[str, Any]] = EITHER_NAME
    example: ClassVar[dict[str, Any]] = EXAMPLE


class ServicePatch(_ServiceBody):
    """Some of a service: missing keys are not changed. `check`, `metadata` and lists are replaced as a whole."""

    example: ClassVar[dict[str, Any]] = {"check_interval": 10_000, "tags": ["core"]}
