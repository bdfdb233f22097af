"""Differences between what was measured and what customers were told."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.incident import Incident
from monitoring.models import Service


class FindingKind(models.TextChoices):
    UNREPORTED = "unreported", _("Outage without an incident")
    UNMEASURED = "unmeasured", _("Incident without measured downtime")
    START = "start", _("Incident and outage start at different times")
    END = "end", _("Incident and outage end at different times")


class FindingQuerySet(models.QuerySet["Finding"]):
    def open(self) -> "FindingQuerySet":
        """Return the findings that nobody has explained."""
        return self.filter(explained_at=None)


class Finding(models.Model):
    """A difference that reconciliation found. It is deleted once it no longer exists, unless somebody explained it."""

    kind = models.TextField(_("kind"), choices=FindingKind.choices)
    service = models.ForeignKey(Service, models.CASCADE, null=True, related_name="+")  # of an unreported outage
    incident = models.ForeignKey(Incident, models.CASCADE, null=True, related_name="findings")  # of the other kinds
    measured_at = models.DateTimeField(
        _("measured"), null=True
    )  # start, or end, of the outage; null: none was measured
    measured_until = models.DateTimeField(null=True)  # end of an unreported outage
    told_at = models.DateTimeField(_("told"), null=True)  # start, or end, of the incident
    found_at = models.DateTimeField(_("found"))
    explained_at = models.DateTimeField(null=True)
    explained_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    explanation = models.TextField(_("explanation"), blank=True, default="")

    objects = FindingQuerySet.as_manager()

    class Meta:
        db_table = "reconciliation_findings"
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(kind__in=FindingKind.values), name="finding_kind_known"),
            # An outage is found once, and so is each difference of an incident.
            models.UniqueConstraint(
                fields=["service", "measured_at"],
                condition=models.Q(kind="unreported"),
                name="one_finding_of_an_outage",
            ),
            models.UniqueConstraint(
                fields=["incident", "kind"], condition=~models.Q(kind="unreported"), name="one_finding_of_an_incident"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="unreported", service__isnull=False, measured_at__isnull=False)
                | (~models.Q(kind="unreported") & models.Q(incident__isnull=False)),
                name="finding_has_its_subject",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Reader: the first screen.
            models.Index(fields=["-found_at"], condition=models.Q(explained_at=None), name="findings_open"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.service_id or self.incident_id}"
