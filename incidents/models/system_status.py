"""The row with the overall status."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class OverallStatus(models.TextChoices):
    OPERATIONAL = "operational", _("Operational")
    DEGRADED = "degraded", _("Degraded")  # some services impaired
    OUTAGE = "outage", _("Outage")  # major services down


class SystemStatus(models.Model):
    """The overall status, in a single row `current`."""

    id = models.TextField(primary_key=True, default="current")
    overall_status = models.CharField(max_length=16, choices=OverallStatus.choices, default=OverallStatus.OPERATIONAL)
    operational_services = models.IntegerField(default=0)
    total_services = models.IntegerField(default=0)
    active_incidents = models.IntegerField(default=0)
    last_incident_at = models.DateTimeField(null=True)
    message = models.TextField(blank=True, default="")
    metadata = models.JSONField(default=dict, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "system_status"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(id="current"), name="system_status_single_row"),
            models.CheckConstraint(
                condition=models.Q(overall_status__in=OverallStatus.values), name="system_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(operational_services__gte=0, operational_services__lte=models.F("total_services")),
                name="system_status_counts",
            ),
        ]

    def __str__(self) -> str:
        return self.overall_status
