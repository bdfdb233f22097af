"""Services, the objects of checks."""

import copy
import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, RegexValidator
from django.db import models
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _

from monitoring.config import check_settings, sealing
from monitoring.probes import KINDS
from monitoring.probes.http.requests import origin_of
from monitoring.probes.kind import Kind
from monitoring.probes.secrets import Place
from monitoring.rules.state import Status
from monitoring.words.statuses import NOW_LABELS

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*\Z"  # `$` would allow a line break at the end
SLUG_IN_SCHEMAS = SLUG.replace(r"\Z", "$")  # which in JSON Schema means the end of the text
DAY_MS = 86_400_000
SAMPLE_UNTIL = "sample_until"  # a key of the metadata: all data before this instant are sample data
INTERVAL_MS = (1_000, DAY_MS)
TIMEOUT_MS = (100, 60_000)
THRESHOLD = (1, 100)
# The columns that probes depend on: see `version`.
PROBED_COLUMNS = ("kind", "endpoint_url", "check_settings", "check_interval", "timeout", "regions")
SCHEMES = frozenset(scheme for kind in KINDS.values() for scheme in kind.schemes)
REGION_WORDS = _("Use lowercase letters, digits and single hyphens, for example seoul.")


def default_regions() -> list[str]:
    return ["default"]


def validate_endpoint_url(url: str) -> None:
    """Accept absolute URLs of any kind of check, without credentials, which would end up in logs and on screens."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ValidationError(_("%(url)r is not a URL: %(why)s."), params={"url": url, "why": error}) from error
    if parts.scheme not in SCHEMES or not host or any(character.isspace() for character in url):
        raise ValidationError(
            _("%(url)r is not a URL that can be checked. Enter a full URL, for example https://api.example.com/health"),
            params={"url": url},
        )
    if parts.username or parts.password:
        raise ValidationError(
            _("The URL contains a user name or password. Remove them, because URLs are shown and logged.")
        )


def validate_threshold(number: int) -> None:
    if not THRESHOLD[0] <= number <= THRESHOLD[1]:
        params = {"lowest": THRESHOLD[0], "highest": THRESHOLD[1]}
        raise ValidationError(_("Enter a number of checks from %(lowest)s to %(highest)s."), params=params)


def validate_check_interval(milliseconds: int) -> None:
    _validate_range(milliseconds, *INTERVAL_MS)


def validate_timeout(milliseconds: int) -> None:
    _validate_range(milliseconds, *TIMEOUT_MS)


def _validate_range(value: int, lowest: int, highest: int) -> None:
    """Refuse a value out of range, and suggest milliseconds if seconds were probably entered."""
    if lowest <= value <= highest:
        return
    if value > highest:
        message = _("%(value)s is more than %(highest)s (%(highest_s)g s). Enter %(highest)s milliseconds or less.")
    elif lowest <= value * 1000 <= highest:
        message = _(
            "%(value)s is less than %(lowest)s (%(lowest_s)g s). If you meant seconds, enter milliseconds:"
            " %(value)s000."
        )
    else:
        message = _("%(value)s is less than %(lowest)s (%(lowest_s)g s). Enter %(lowest)s milliseconds or more.")
    limits = {"lowest": lowest, "lowest_s": lowest / 1000, "highest": highest, "highest_s": highest / 1000}
    raise ValidationError(message, params={"value": value, **limits})


class IncidentMode(models.TextChoices):
    """The effect of a confirmed outage on incidents."""

    DRAFT = "draft", _("Draft an incident, which a person publishes")
    PUBLISH = "publish", _("Publish an incident at once")
    OFF = "off", _("Draft nothing")


class ServiceQuerySet(models.QuerySet["Service"]):
    def present(self) -> Self:
        """Return the services that are not archived; services are never deleted."""
        return self.filter(archived_at=None)

    def monitored(self) -> Self:
        return self.present().filter(is_active=True)

    def for_page(self) -> Self:
        """Return the services with the columns of the public page, in its order. One query."""
        return self.monitored().select_related("state").order_by("group_name", "name")


class Service(models.Model):
    id = models.TextField(
        _("id"),
        primary_key=True,
        validators=[
            RegexValidator(SLUG, _("Use lowercase letters, digits and single hyphens, for example id-recognition.")),
            MaxLengthValidator(100),
        ],
    )
    name = models.CharField(_("name"), max_length=100, unique=True)
    display_name = models.CharField(_("display name"), max_length=100)
    description = models.TextField(_("description"), blank=True, default="")
    endpoint_url = models.TextField(  # null: nothing is probed, as for a heartbeat
        _("URL to check"), null=True, blank=True, validators=[validate_endpoint_url]
    )
    status = models.CharField(
        _("status"),
        max_length=2,
        choices=[(status.value, label) for status, label in NOW_LABELS.items()],
        default=Status.UNKNOWN.value,
    )
    is_active = models.BooleanField(_("monitored"), default=True)
    check_interval = models.IntegerField(_("check interval (ms)"), default=60_000, validators=[validate_check_interval])
    timeout = models.IntegerField(_("timeout (ms)"), default=5_000, validators=[validate_timeout])
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    # Our own columns, beyond the specified ones.
    regions = ArrayField(models.TextField(validators=[RegexValidator(SLUG, REGION_WORDS)]), default=default_regions)
    quorum = models.SmallIntegerField(null=True, blank=True)  # regions that must agree on `bad`; null: more than half
    policy_name = models.TextField(_("accounting policy"), default="standard")  # its version depends on the day
    is_critical = models.BooleanField(_("critical"), default=False)  # its outage alone is an outage of the whole
    incident_mode = models.TextField(
        _("incidents"), choices=IncidentMode.choices, default=IncidentMode.DRAFT, db_default=IncidentMode.DRAFT
    )
    kind = models.TextField(_("kind of check"), choices=check_settings.kind_choices, default="http")
    check_settings = models.JSONField(
        _("settings of the check"), default=dict, blank=True
    )  # of the kind; secrets sealed
    failure_threshold = models.SmallIntegerField(  # bad checks in a row that make an outage; null: that of the policy
        _("failure threshold"), null=True, blank=True, validators=[validate_threshold]
    )
    recovery_threshold = models.SmallIntegerField(
        _("recovery threshold"), null=True, blank=True, validators=[validate_threshold]
    )
    group_name = models.CharField(_("group"), max_length=100, blank=True, default="")
    parent = models.ForeignKey(  # what it is part of
        "self", models.SET_NULL, null=True, blank=True, related_name="children", verbose_name=_("parent service")
    )
    tags = ArrayField(
        models.TextField(validators=[MaxLengthValidator(50)]), verbose_name=_("tags"), default=list, blank=True
    )
    # Its slots are phase + k × interval since the epoch; null: it has none, as it is not probed.
    phase_ms = models.IntegerField(null=True, editable=False)
    version = models.IntegerField(default=1, editable=False)  # increases when a probed column changes
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ServiceQuerySet.as_manager()

    class Meta:
        db_table = "services"
        verbose_name = _("service")
        verbose_name_plural = _("services")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(id__regex=SLUG), name="services_id_is_slug"),
            models.CheckConstraint(condition=models.Q(status__in=list(Status)), name="services_status_known"),
            models.CheckConstraint(
                condition=models.Q(check_interval__range=INTERVAL_MS), name="services_interval_in_range"
            ),
            models.CheckConstraint(condition=models.Q(timeout__range=TIMEOUT_MS), name="services_timeout_in_range"),
            models.CheckConstraint(
                condition=models.Q(phase_ms__gte=0, phase_ms__lt=models.F("check_interval")),
                name="services_phase_within_interval",
            ),
            models.CheckConstraint(condition=models.Q(regions__len__gte=1), name="services_has_region"),
            models.CheckConstraint(
                condition=models.Q(incident_mode__in=IncidentMode.values), name="services_incident_mode_known"
            ),
            models.CheckConstraint(
                condition=models.Q(quorum=None) | models.Q(quorum__gte=1, quorum__lte=models.F("regions__len")),
                name="services_quorum_reachable",
            ),
            models.CheckConstraint(condition=models.Q(kind__regex=r"^[a-z]+\Z"), name="services_kind_is_word"),
            models.CheckConstraint(
                condition=Exact(
                    models.Func("check_settings", function="jsonb_typeof", output_field=models.TextField()),
                    models.Value("object"),
                ),
                name="services_settings_are_mapping",
            ),
            models.CheckConstraint(
                condition=models.Q(phase_ms=None) | models.Q(endpoint_url__isnull=False),
                name="services_probed_has_address",
            ),
            models.CheckConstraint(condition=~models.Q(endpoint_url=""), name="services_address_null_not_empty"),
            models.CheckConstraint(
                condition=models.Q(parent=None) | ~models.Q(parent=models.F("id")), name="services_parent_is_another"
            ),
            models.CheckConstraint(
                condition=models.Q(failure_threshold=None) | models.Q(failure_threshold__range=THRESHOLD),
                name="services_failure_threshold_range",
            ),
            models.CheckConstraint(
                condition=models.Q(recovery_threshold=None) | models.Q(recovery_threshold__range=THRESHOLD),
                name="services_recovery_threshold_range",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Reader: dispatch, which takes the slots of the coming second for each distinct interval.
            models.Index(
                fields=["check_interval", "phase_ms"],
                condition=models.Q(is_active=True, archived_at=None, phase_ms__isnull=False),
                name="services_due",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name or self.name

    @property
    def sample_until(self) -> datetime | None:
        """Return the instant before which all data of this service are sample data; None if there are none."""
        try:
            at = datetime.fromisoformat(self.metadata.get(SAMPLE_UNTIL))
        except (TypeError, ValueError):  # people enter metadata, and no page may fail because of them
            return None
        return at if at.tzinfo else None

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **kwargs: Any) -> Self:
        service = super().from_db(db, field_names, values, **kwargs)
        service._remember()
        return service

    _stored: dict[str, Any] | None = None  # the stored columns that probes depend on; None for a new service
    _stored_version = 0

    @property
    def check_kind(self) -> Kind:
        """Return the kind of its check. Raises KeyError if this version does not know it."""
        return KINDS[self.kind]

    @property
    def shown_settings(self) -> dict[str, Any]:
        """Return the settings of the check with masked secrets; saving them unchanged keeps the secrets."""
        return dict(sealing.masked(self.check_settings))

    @property
    def place(self) -> Place:
        """Return the place to which its secrets are bound."""
        return Place(self.id, origin_of(self.endpoint_url or "", self.check_settings or {}))

    @property
    def stored_place(self) -> Place:
        """Return the place to which its stored secrets are bound."""
        stored = self._stored or {}
        return Place(self.id, origin_of(stored.get("endpoint_url") or "", stored.get("check_settings") or {}))

    def clean(self) -> None:
        """Validate rules over several columns, and seal new secrets. No query."""
        if len(set(self.regions)) != len(self.regions):
            raise ValidationError({"regions": _("A region is listed twice.")})
        if self.quorum is not None and not 1 <= self.quorum <= len(self.regions):
            raise ValidationError({"quorum": _("The quorum must be between 1 and the number of regions.")})
        if len(set(self.tags)) != len(self.tags):
            raise ValidationError({"tags": _("A tag is listed twice.")})
        self._check_target()

    def _check_target(self) -> None:
        """Validate the address and the settings by the kind, and report all problems of both."""
        errors: dict[str, Any] = {}
        self.endpoint_url = self.endpoint_url or None
        written, stored = self.check_settings or {}, (self._stored or {}).get("check_settings", {})
        try:
            self.check_settings = check_settings.judged(self.kind, written, stored, self.place, self.stored_place)
        except ValidationError as error:
            errors |= error.error_dict
        try:
            if self.endpoint_url:
                validate_endpoint_url(self.endpoint_url)
        except ValidationError:
            pass  # the field reports it
        else:
            try:
                check_settings.check_url(self.kind, self.endpoint_url)
            except ValidationError as error:
                errors |= error.error_dict
        if errors:
            raise ValidationError(errors)

    def derive(self) -> None:
        """Set the columns computed from others: phase, version and sealed secrets. Idempotent."""
        self.endpoint_url = self.endpoint_url or None
        self.phase_ms = phase_of(self.id, self.check_interval) if check_settings.is_probed(self.kind) else None
        if sealing.has_plain(self.check_settings):
            stored = (self._stored or {}).get("check_settings")
            self.check_settings = sealing.sealed(self.check_settings, stored, self.place, self.stored_place)
        if self._stored is not None and self._stored != self._probed_values():
            self.version = self._stored_version + 1

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.derive()
        if (fields := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*fields, "version", "phase_ms"}
        super().save(*args, **kwargs)
        self._remember()

    def _remember(self) -> None:
        self._stored = self._probed_values()
        self._stored_version = self.__dict__.get("version", 0)

    def _probed_values(self) -> dict[str, Any]:
        """Return copies of the loaded columns that probes depend on; copies, since JSON is changed in place."""
        values = {name: self.__dict__[name] for name in PROBED_COLUMNS if name in self.__dict__}
        return {
            name: copy.deepcopy(value) if isinstance(value, dict | list) else value for name, value in values.items()
        }


def phase_of(service_id: str, interval_ms: int) -> int:
    """Return the phase of a service, a hash of its id, so that services are spread evenly over their interval."""
    digest = hashlib.blake2b(service_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % interval_ms
