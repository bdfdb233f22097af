"""A service as programs see and write it: with the keys of a services file."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, Field, GetJsonSchemaHandler, RootModel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from monitoring.api.check_schemas import check_schema
from monitoring.catalogue.plain_secrets import warnings_of
from monitoring.models import Service
from monitoring.models.services import INTERVAL_MS, SLUG_IN_SCHEMAS, THRESHOLD, TIMEOUT_MS
from monitoring.rules.state import Status

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
    """A service. Its settings, from `endpoint_url` on, are there for callers who may see how it is checked."""

    id: str = Field(description="Its name in addresses, for good.")
    name: str
    display_name: str = Field(description="What people read.")
    description: str
    group: str = Field(description="Services with the same group are shown together on the page.")
    parent: str | None = Field(description="The id of the service that this one is a part of.")
    tags: list[str]
    is_critical: bool = Field(description="Its outage alone is an outage of the whole.")
    is_active: bool = Field(description="False while it is paused.")
    status: Status = Field(description=STATUS)
    created_at: datetime
    updated_at: datetime = Field(description="When its settings changed last.")
    archived_at: datetime | None = Field(description="When it was archived; its history stays.")
    endpoint_url: str | None = Field(None, description="What is checked; null for a heartbeat.")
    check: dict[str, Any] = Field(
        {}, description="How it is checked. Each secret is shown as dots, and as nothing else."
    )
    check_interval: int = Field(0, description="Milliseconds.")
    timeout: int = Field(0, description="Milliseconds, from DNS to the last byte.")
    regions: list[str] = Field([], description="Where it is checked from.")
    quorum: int | None = Field(None, description="Regions that must see a failure; null: more than half.")
    failure_threshold: int | None = Field(
        None, description="Bad checks in a row until it is down; null: as the policy says."
    )
    recovery_threshold: int | None = Field(None, description="Good checks in a row until it is up again.")
    metadata: dict[str, Any] = Field({}, description="Free notes of yours.")
    version: int = Field(0, description="Grows with every change of what a probe must know.")
    warnings: list[str] = Field([], description="Settings in the clear that look like secrets, and what to do.")


def shown(service: Service, *, with_settings: bool) -> ServiceOut:
    """Return a service as a caller may see it. No query."""
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
        "status": service.status,
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
    """What a body may say, for the OpenAPI file.

    It is judged by `monitoring/catalogue/service_bodies.py` and the model, not by this.
    """

    id: str = Field(pattern=SLUG_IN_SCHEMAS, max_length=100, examples=["payments"])
    name: str = Field(
        min_length=1, max_length=100, description="Unique. Left out, the display name.", examples=["Payments"]
    )
    display_name: str = Field(min_length=1, max_length=100, description="What people read. Left out, the name.")
    description: str = ""
    endpoint_url: str | None = Field(
        description="What is checked; a heartbeat has none.", examples=["https://api.example.com/health"]
    )
    check: dict[str, Any]
    check_interval: int = Field(60_000, ge=INTERVAL_MS[0], le=INTERVAL_MS[1], description="Milliseconds.")
    timeout: int = Field(5_000, ge=TIMEOUT_MS[0], le=TIMEOUT_MS[1], description="Milliseconds.")
    is_active: bool = True
    regions: list[str] = Field(["default"], min_length=1)
    quorum: int | None = Field(None, ge=1)
    is_critical: bool = False
    failure_threshold: int | None = Field(None, ge=THRESHOLD[0], le=THRESHOLD[1])
    recovery_threshold: int | None = Field(None, ge=THRESHOLD[0], le=THRESHOLD[1])
    group: str = Field("", max_length=100)
    parent: str | None = None
    tags: list[str] = []
    metadata: dict[str, Any] = {}


class _ServiceBody(RootModel[dict[str, Any]]):
    """Any JSON object; what it should be is documented, and judged where services files are judged."""

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
    """A new service. Secrets are written as {"secret": "…"} where a setting takes one."""

    needs: ClassVar[dict[str, Any]] = {"required": ["id"], **EITHER_NAME}
    example: ClassVar[dict[str, Any]] = EXAMPLE


class ServiceReplace(_ServiceBody):
    """All of a service: what is left out takes its default, but for `is_active`. A secret shown as dots stays."""

    needs: ClassVar[dict[str, Any]] = EITHER_NAME
    example: ClassVar[dict[str, Any]] = EXAMPLE


class ServicePatch(_ServiceBody):
    """Some of a service: what is left out stays. `check`, `metadata` and lists are replaced as a whole."""

    example: ClassVar[dict[str, Any]] = {"check_interval": 10_000, "tags": ["core"]}
