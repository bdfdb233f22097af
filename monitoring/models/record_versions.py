"""Earlier figures of days that were accounted again after they were settled. Rows are never changed."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.rollups import DAY_STATUSES
from monitoring.models.services import Service


class Cause(models.TextChoices):
    """The known reason for which a day was accounted again."""

    RESTATED = "restated", _("a restatement was approved")
    MAINTENANCE = "maintenance", _("maintenance was entered or changed")
    PAUSED = "paused", _("a pause was entered or changed")
    RULES = "rules", _("the accounting rules changed")
    CHECKS = "checks", _("its checks were accounted again")


class UptimeRecordVersion(models.Model):
    service = models.ForeignKey(Service, models.CASCADE, related_name="+", db_index=False)
    date = models.DateField()
    replaced_at = models.DateTimeField()  # the end of the time in which these figures were published
    cause = models.TextField(choices=Cause.choices)
    status = models.CharField(max_length=2, choices=DAY_STATUSES)
    uptime_percentage = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    coverage_percentage = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    operational_s = models.IntegerField()
    partial_s = models.IntegerField()
    down_s = models.IntegerField()
    unknown_s = models.IntegerField()
    maintenance_s = models.IntegerField()
    paused_s = models.IntegerField()
    empty_s = models.IntegerField()

    class Meta:
        db_table = "uptime_record_versions"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(cause__in=Cause.values), name="uptime_record_versions_cause_known"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Reader: the ledger, the days of a service in a window.
            models.Index(fields=["service", "date"], name="uptime_record_versions_of_day"),
        ]

    def __str__(self) -> str:
        return f"{self.service_id} {self.date} until {self.replaced_at:%Y-%m-%d %H:%M}"
