"""What is monitored."""

import hashlib
from datetime import datetime
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.state import Status

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*\Z"  # `$` would let a line break follow
DAY_MS = 86_400_000
SAMPLE_UNTIL = "sample_until"  # in the metadata, with an instant: what was recorded before it is made up
INTERVAL_MS = (1_000, DAY_MS)
TIMEOUT_MS = (100, 60_000)
PROBED_COLUMNS = ("endpoint_url", "check_interval", "timeout", "regions")  # what a probe must know: see `version`
REGION_WORDS = _("Use lower-case letters, digits and single hyphens, like seoul.")
STATUS_LABELS = {
    Status.OPERATIONAL: _("Operational"),
    Status.PARTIAL: _("Partial outage"),
    Status.DOWN: _("Major outage"),
    Status.UNKNOWN: _("No data"),
}


def default_regions() -> list[str]:
    return ["default"]


def validate_endpoint_url(url: str) -> None:
    """Accept absolute http and https URLs without credentials, which would end up in logs and on screens."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ValidationError(_("%(url)r is not a URL: %(why)s."), params={"url": url, "why": error}) from error
    if parts.scheme not in ("http", "https") or not host or any(character.isspace() for character in url):
        raise ValidationError(
            _("%(url)r is not a URL that can be checked. Write it whole, like https://api.example.com/health"),
            params={"url": url},
        )
    if parts.username or parts.password:
        raise ValidationError(_("The URL carries a user name or password. Leave them out: URLs are shown and logged."))


def validate_check_interval(milliseconds: int) -> None:
    _validate_range(milliseconds, *INTERVAL_MS)


def validate_timeout(milliseconds: int) -> None:
    _validate_range(milliseconds, *TIMEOUT_MS)


def _validate_range(value: int, lowest: int, highest: int) -> None:
    """Refuse what is out of range, and guess the commonest slip: seconds where milliseconds are meant."""
    if lowest <= value <= highest:
        return
    if value > highest:
        message = _("%(value)s is above %(highest)s (%(highest_s)g s). Write at most that many milliseconds.")
    elif lowest <= value * 1000 <= highest:
        message = _("%(value)s is below %(lowest)s (%(lowest_s)g s). Is it seconds? Write milliseconds: %(value)s000.")
    else:
        message = _("%(value)s is below %(lowest)s (%(lowest_s)g s). Write at least that many milliseconds.")
    limits = {"lowest": lowest, "lowest_s": lowest / 1000, "highest": highest, "highest_s": highest / 1000}
    raise ValidationError(message, params={"value": value, **limits})


class ServiceQuerySet(models.QuerySet["Service"]):
    def present(self) -> Self:
        """Leave out what was removed: a removed service is archived, never deleted."""
        return self.filter(archived_at=None)

    def monitored(self) -> Self:
        return self.present().filter(is_active=True)

    def for_page(self) -> Self:
        """Everything the public page says of a service, in its order. One query."""
        return self.monitored().select_related("state").order_by("name")


class Service(models.Model):
    id = models.TextField(
        _("id"),
        primary_key=True,
        validators=[
            RegexValidator(SLUG, _("Use lower-case letters, digits and single hyphens, like id-recognition.")),
            MaxLengthValidator(100),
        ],
    )
    name = models.CharField(_("name"), max_length=100, unique=True)
    display_name = models.CharField(_("display name"), max_length=100)
    description = models.TextField(_("description"), blank=True, default="")
    endpoint_url = models.TextField(_("URL to check"), validators=[validate_endpoint_url])
    status = models.CharField(
        _("status"),
        max_length=2,
        choices=[(status.value, label) for status, label in STATUS_LABELS.items()],
        default=Status.UNKNOWN.value,
    )
    is_active = models.BooleanField(_("monitored"), default=True)
    check_interval = models.IntegerField(_("check interval (ms)"), default=60_000, validators=[validate_check_interval])
    timeout = models.IntegerField(_("timeout (ms)"), default=5_000, validators=[validate_timeout])
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    # Ours, beyond the specified columns.
    regions = ArrayField(models.TextField(validators=[RegexValidator(SLUG, REGION_WORDS)]), default=default_regions)
    quorum = models.SmallIntegerField(null=True, blank=True)  # regions that must agree on `bad`; null: more than half
    is_critical = models.BooleanField(_("critical"), default=False)  # its outage alone is an outage of the whole
    phase_ms = models.IntegerField(editable=False)  # its slots are phase + k × interval since the epoch
    version = models.IntegerField(default=1, editable=False)  # of what a probe must know; grows with each change
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
                condition=models.Q(quorum=None) | models.Q(quorum__gte=1, quorum__lte=models.F("regions__len")),
                name="services_quorum_reachable",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Reader: dispatch, which takes the slots of the coming second for each distinct interval.
            models.Index(
                fields=["check_interval", "phase_ms"],
                condition=models.Q(is_active=True, archived_at=None),
                name="services_due",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name or self.name

    @property
    def sample_until(self) -> datetime | None:
        """Return the instant before which everything recorded of this service is made up; None: nothing is."""
        try:
            at = datetime.fromisoformat(self.metadata.get(SAMPLE_UNTIL))
        except (TypeError, ValueError):  # people write metadata, and no page may break by it
            return None
        return at if at.tzinfo else None

    def clean(self) -> None:
        if len(set(self.regions)) != len(self.regions):
            raise ValidationError({"regions": _("A region is named twice.")})
        if self.quorum is not None and not 1 <= self.quorum <= len(self.regions):
            raise ValidationError({"quorum": _("The quorum must be between 1 and the number of regions.")})

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.phase_ms = phase_of(self.id, self.check_interval)
        super().save(*args, **kwargs)


def phase_of(service_id: str, interval_ms: int) -> int:
    """Spread services evenly over their interval, and always in the same way: by a hash of the id."""
    digest = hashlib.blake2b(service_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % interval_ms
