"""The state of each service: narrow rows that every recorded batch rewrites."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from monitoring.models.raw import VERDICTS
from monitoring.models.services import Service
from monitoring.rules.state import Status
from monitoring.words.statuses import NOW_LABELS


class ServiceState(models.Model):
    """The folded state of a service and its open run. Rows are locked in order of the service's id.

    Its fields are those of `monitoring.rules.state.State`, which explains them.
    """

    service = models.OneToOneField(Service, models.CASCADE, primary_key=True, related_name="state")
    status = models.CharField(
        max_length=2, choices=[(s.value, label) for s, label in NOW_LABELS.items()], default=Status.UNKNOWN.value
    )
    is_down = models.BooleanField(default=False)
    verdict = models.TextField(choices=VERDICTS, null=True)
    run_first_at = models.DateTimeField(null=True)
    run_last_at = models.DateTimeField(null=True)
    run_count = models.IntegerField(default=0)
    run_hold_s = models.IntegerField(default=0)
    streak_first_at = models.DateTimeField(null=True)
    streak_count = models.IntegerField(default=0)
    last_good_at = models.DateTimeField(null=True)
    last_bad_at = models.DateTimeField(null=True)
    stale_at = models.DateTimeField(null=True)
    recheck_at = models.DateTimeField(null=True)
    before_slot = models.JSONField(null=True)  # `State.before`, for services checked from several regions
    # For people; the engine does not use these.
    last_response_ms = models.FloatField(null=True)
    last_status_code = models.SmallIntegerField(null=True)
    last_error = models.TextField(null=True)

    class Meta:
        db_table = "service_state"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(status__in=list(Status)), name="service_state_status_known"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Reader: dispatch, for rechecks. No other index: each would end HOT updates of this row.
            models.Index(fields=["recheck_at"], condition=~models.Q(recheck_at=None), name="service_state_recheck"),
        ]

    def __str__(self) -> str:
        return f"{self.service_id} {self.status}"


class RegionState(models.Model):
    """The newest check of a service from one region; stored only for services with several regions."""

    pk = models.CompositePrimaryKey("service_id", "region")
    checked_at = models.DateTimeField()
    hold_s = models.IntegerField()
    service = models.ForeignKey(Service, models.CASCADE, db_index=False)
    region = models.TextField()
    verdict = models.TextField(choices=VERDICTS)

    class Meta:
        db_table = "region_state"

    def __str__(self) -> str:
        return f"{self.service_id} {self.region} {self.verdict}"


class FormerRegions(models.Model):
    """Earlier regions and quorum of a service, in force until an instant, for folding raw checks of that time.

    A trigger on `services` inserts the rows on every change.
    """

    pk = models.CompositePrimaryKey("service_id", "until")
    until = models.DateTimeField()
    quorum = models.SmallIntegerField(null=True)
    service_id = models.TextField()
    regions = ArrayField(models.TextField())

    class Meta:
        db_table = "former_regions"

    def __str__(self) -> str:
        return f"{self.service_id} until {self.until:%Y-%m-%d %H:%M}"
