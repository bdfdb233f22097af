"""Daily figures, one row per service and day of the page's time zone; whole days are recomputed and upserted."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.raw import RealField
from monitoring.models.services import Service
from monitoring.words.statuses import STATUS_LABELS

EMPTY_DAY = "e"  # the service did not exist yet
DAY_STATUSES = [*((s.value, label) for s, label in STATUS_LABELS.items()), (EMPTY_DAY, _("Not yet monitored"))]


def page_zone() -> str:
    return str(settings.PAGE_TIME_ZONE)


class IntegersField(ArrayField):  # type: ignore[type-arg]  # takes no arguments when running
    """An array of integers that is passed to the driver as a whole: a roll-up stores hundreds of thousands."""

    def get_db_prep_value(self, value: Any, connection: object, prepared: bool = False) -> Any:
        return value


class UptimeRecord(models.Model):
    pk = models.CompositePrimaryKey("service_id", "date")
    service = models.ForeignKey(Service, models.CASCADE, related_name="uptime_records", db_index=False)
    date = models.DateField()  # of `time_zone`
    time_zone = models.TextField(default=page_zone)
    # Of the day whose checks were counted. Differs if they were deleted when the day was accounted again in another
    # zone, as counts cannot be split at other midnights.
    counts_time_zone = models.TextField(default=page_zone)
    status = models.CharField(max_length=2, choices=DAY_STATUSES)
    uptime_percentage = models.DecimalField(max_digits=5, decimal_places=2, null=True)  # floored; null: no data
    total_checks = models.IntegerField(default=0)
    successful_checks = models.IntegerField(default=0)
    failed_checks = models.IntegerField(default=0)
    avg_response_time = RealField(null=True)  # ms
    # The seconds of the day by kind; they sum to its length (so far, while it is today).
    operational_s = models.IntegerField(default=0)
    partial_s = models.IntegerField(default=0)
    down_s = models.IntegerField(default=0)
    unknown_s = models.IntegerField(default=0)
    maintenance_s = models.IntegerField(default=0)
    paused_s = models.IntegerField(default=0)
    empty_s = models.IntegerField(default=0)
    coverage_percentage = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    policy = models.ForeignKey(  # the version under which it was accounted; null: sample days
        "monitoring.AccountingPolicy", models.PROTECT, null=True, related_name="+", db_index=False
    )
    # The thresholds that it was accounted with, which may be the service's own; null: sample days.
    failure_threshold = models.SmallIntegerField(null=True)
    recovery_threshold = models.SmallIntegerField(null=True)
    is_settled = models.BooleanField(default=True)  # False: today, or a change at its end is not confirmed yet
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "uptime_records"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(status__in=[code for code, _label in DAY_STATUSES]),
                name="uptime_records_status_known",
            ),
            models.CheckConstraint(
                condition=models.Q(uptime_percentage=None) | models.Q(uptime_percentage__range=(0, 100)),
                name="uptime_records_percentage",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    successful_checks__gte=0,
                    failed_checks__gte=0,
                    total_checks=models.F("successful_checks") + models.F("failed_checks"),
                ),
                name="uptime_records_counts_add_up",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Reader: one day of all services (the roll-up's catch-up, exports). The page's reader, newest days of each
            # service first, has the primary key, which is read backwards as well as forwards.
            models.Index(fields=["date"], name="uptime_records_of_day"),
            # Readers: every start, which checks that all days have the zone of the settings; `rezone`.
            models.Index(fields=["time_zone", "date"], name="uptime_records_of_zone"),
        ]

    def __str__(self) -> str:
        return f"{self.service_id} {self.date} {self.status}"


class ApiCallLog(models.Model):
    pk = models.CompositePrimaryKey("service_id", "date")
    service = models.ForeignKey(Service, models.CASCADE, related_name="api_call_logs", db_index=False)
    date = models.DateField()  # of `time_zone`
    time_zone = models.TextField(default=page_zone)
    counts_time_zone = models.TextField(default=page_zone)  # of the requests; as in uptime_records
    total_calls = models.IntegerField(default=0)
    successful_calls = models.IntegerField(default=0)
    failed_calls = models.IntegerField(default=0)
    avg_response_time = RealField(null=True)  # ms, as the others
    min_response_time = RealField(null=True)
    max_response_time = RealField(null=True)
    p50_response_time = RealField(null=True)
    p95_response_time = RealField(null=True)
    p99_response_time = RealField(null=True)
    total_downtime_minutes = models.IntegerField(default=0)  # down seconds / 60, rounded up
    uptime_percentage = models.DecimalField(
        max_digits=5, decimal_places=2, null=True
    )  # time-based, as in uptime_records
    # Response times in logarithmic buckets (`monitoring/rules/histogram.py`), which can be added up over days, unlike
    # percentiles.
    histogram_buckets = IntegersField(models.SmallIntegerField(), default=list)
    histogram_counts = IntegersField(models.IntegerField(), default=list)
    metadata = models.JSONField(default=dict)

    class Meta:
        db_table = "api_call_logs"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(total_calls=models.F("successful_calls") + models.F("failed_calls")),
                name="api_call_logs_counts_add_up",
            ),
            models.CheckConstraint(
                condition=models.Q(min_response_time=None)
                | models.Q(
                    p50_response_time__range=(models.F("min_response_time"), models.F("max_response_time")),
                    p95_response_time__range=(models.F("p50_response_time"), models.F("max_response_time")),
                    p99_response_time__range=(models.F("p95_response_time"), models.F("max_response_time")),
                ),
                name="api_call_logs_in_order",
            ),
            models.CheckConstraint(
                condition=models.Q(uptime_percentage=None) | models.Q(uptime_percentage__range=(0, 100)),
                name="api_call_logs_percentage",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service_id} {self.date}"


class RollupWatermark(models.Model):
    """The single row with the last day that was requested for every service."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    planned_until = models.DateField()  # this day included

    class Meta:
        db_table = "rollup_watermark"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(id=1), name="rollup_watermark_single_row"),
        ]

    def __str__(self) -> str:
        return f"{self.planned_until}"


class RollupRequest(models.Model):
    """A request to account a day of a service, for the first time or again; deleted when done.

    Each request is a new row, even if there is one: the roll-up for that may already be running with evidence from
    before the current change.
    """

    date = models.DateField()
    service = models.ForeignKey(Service, models.CASCADE, related_name="+", db_index=False)
    not_before = models.DateTimeField(null=True)  # an unsettled day waits for the checks that settle it

    class Meta:
        db_table = "rollup_requests"
        indexes: ClassVar[list[models.Index]] = [
            # Readers: the roll-up, the oldest day first; retention, whether a day still waits.
            models.Index(fields=["date", "service"], name="rollup_requests_of_day"),
        ]

    def __str__(self) -> str:
        return f"{self.service_id} {self.date}"
