"""Incidents and the services that they affect."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models import Service


class IncidentStatus(models.TextChoices):
    INVESTIGATING = "investigating", _("Investigating")
    IDENTIFIED = "identified", _("Identified")
    MONITORING = "monitoring", _("Monitoring")
    RESOLVED = "resolved", _("Resolved")


class Severity(models.TextChoices):
    LOW = "low", _("Low")
    MEDIUM = "medium", _("Medium")
    HIGH = "high", _("High")
    CRITICAL = "critical", _("Critical")


class Priority(models.TextChoices):
    """The time within which somebody must respond: 15 minutes, 1 hour, 4 hours, 24 hours."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class Impact(models.TextChoices):
    DEGRADED = "degraded", _("Degraded performance")
    PARTIAL = "partial", _("Partial outage")
    MAJOR = "major", _("Major outage")


class IncidentQuerySet(models.QuerySet["Incident"]):
    def published(self) -> "IncidentQuerySet":
        """Return the incidents that customers may see. Every public reader starts here."""
        return self.exclude(published_at=None)

    def drafts(self) -> "IncidentQuerySet":
        """Return the incidents that still need a decision: publish or dismiss."""
        return self.filter(published_at=None, dismissed_at=None)

    def unresolved(self) -> "IncidentQuerySet":
        """Return the published incidents that are not resolved."""
        return self.published().exclude(status=IncidentStatus.RESOLVED)

    def touching(self, service: Service, start: datetime, end: datetime) -> "IncidentQuerySet":
        """Return the published incidents of a service that were open at some time in [start, end), oldest first.

        One query.
        """
        lasted = models.Q(resolved_at=None) | models.Q(resolved_at__gt=start)
        found = self.published().filter(lasted, affected_services=service, started_at__lt=end)
        return found.order_by("started_at", "id")


class Incident(models.Model):
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True, default="")
    status = models.CharField(
        _("status"), max_length=16, choices=IncidentStatus.choices, default=IncidentStatus.INVESTIGATING
    )
    severity = models.CharField(_("severity"), max_length=16, choices=Severity.choices, default=Severity.MEDIUM)
    priority = models.CharField(_("priority"), max_length=2, choices=Priority.choices, default=Priority.P3)
    affected_services = models.ManyToManyField(Service, through="AffectedService", related_name="incidents")
    started_at = models.DateTimeField(_("started"))
    identified_at = models.DateTimeField(_("identified"), null=True, blank=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    duration_minutes = models.IntegerField(_("duration (min)"), null=True, blank=True)
    impact_description = models.TextField(_("impact"), blank=True, default="")
    root_cause = models.TextField(_("root cause"), blank=True, default="")
    resolution_notes = models.TextField(_("resolution"), blank=True, default="")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_column="created_by"
    )
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", db_column="resolved_by"
    )
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    # Our own columns, beyond the specified ones.
    title_translations = models.JSONField(
        default=dict, db_default={}, blank=True
    )  # by language code, in addition to `title`
    published_at = models.DateTimeField(null=True, editable=False)  # null: a draft, which customers never see
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    dismissed_at = models.DateTimeField(null=True, editable=False)  # a draft that will not be published
    dismissed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    is_automatic = models.BooleanField(
        default=False, db_default=False, editable=False
    )  # drafted by the monitor, from measurements
    detected_at = models.DateTimeField(null=True, editable=False)  # when the monitor confirmed the first outage
    acknowledged_at = models.DateTimeField(null=True, editable=False)
    acknowledged_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    first_update_at = models.DateTimeField(null=True, editable=False)  # the first one that customers could read

    objects = IncidentQuerySet.as_manager()

    class Meta:
        db_table = "incident"
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(status__in=IncidentStatus.values), name="incident_status_known"),
            models.CheckConstraint(condition=models.Q(severity__in=Severity.values), name="incident_severity_known"),
            models.CheckConstraint(condition=models.Q(priority__in=Priority.values), name="incident_priority_known"),
            models.CheckConstraint(
                condition=models.Q(identified_at=None) | models.Q(identified_at__gte=models.F("started_at")),
                name="incident_identified_after_start",
            ),
            models.CheckConstraint(
                condition=models.Q(resolved_at=None) | models.Q(resolved_at__gte=models.F("started_at")),
                name="incident_resolved_after_start",
            ),
            # An incident is resolved if and only if it has a time of resolution.
            models.CheckConstraint(
                condition=models.Q(status=IncidentStatus.RESOLVED, resolved_at__isnull=False)
                | (~models.Q(status=IncidentStatus.RESOLVED) & models.Q(resolved_at=None)),
                name="incident_resolved_has_time",
            ),
            models.CheckConstraint(
                condition=models.Q(duration_minutes=None) | models.Q(duration_minutes__gte=0),
                name="incident_duration_not_negative",
            ),
            # A draft is dismissed or published, not both.
            models.CheckConstraint(
                condition=models.Q(dismissed_at=None) | models.Q(published_at=None),
                name="incident_dismissed_or_published",
            ),
            # Customers read no update of a draft.
            models.CheckConstraint(
                condition=models.Q(first_update_at=None) | models.Q(published_at__isnull=False),
                name="incident_first_update_is_public",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["status", "-started_at"], name="incident_by_status"),  # the admin, the banner
            models.Index(fields=["-started_at"], name="incident_newest"),  # the history
            # Reader: the drafts on the first screen.
            models.Index(
                fields=["-started_at"],
                condition=models.Q(published_at=None, dismissed_at=None),
                name="incident_drafts",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class AffectedService(models.Model):
    """A service that an incident affects, and how badly."""

    pk = models.CompositePrimaryKey("incident_id", "service_id")
    incident = models.ForeignKey(Incident, models.CASCADE, db_index=False)
    service = models.ForeignKey(
        Service, models.CASCADE, verbose_name=_("service")
    )  # its index serves "incidents of this service"
    impact = models.CharField(_("impact"), max_length=16, choices=Impact.choices, default=Impact.PARTIAL)
    # The monitor follows the outage of this service in this incident, until it is over and the incident resolved.
    is_followed = models.BooleanField(default=False, db_default=False, editable=False)
    failed_at = models.DateTimeField(null=True, editable=False)  # first bad check of the outage, if the monitor saw it
    recovered_at = models.DateTimeField(null=True, editable=False)  # first good check after it
    evidence = models.JSONField(null=True, editable=False)  # of the outage as measured: `incidents.evidence`

    class Meta:
        db_table = "incident_affected_services"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(impact__in=Impact.values), name="affected_service_impact_known"),
            # A service has at most one automatic incident that is not over.
            models.UniqueConstraint(
                fields=["service"], condition=models.Q(is_followed=True), name="one_automatic_incident_of_a_service"
            ),
            models.CheckConstraint(
                condition=models.Q(is_followed=False) | models.Q(failed_at__isnull=False),
                name="followed_outage_has_a_beginning",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service_id} {self.impact}"
