"""Heartbeats: the token of each service that reports to us, and its deadline."""

from typing import ClassVar

from django.db import models

from monitoring.models.services import Service


class Heartbeat(models.Model):
    """The push URL of a service of kind heartbeat. Before the first ping nothing is due, and the service is unknown."""

    service = models.OneToOneField(Service, models.CASCADE, primary_key=True, related_name="heartbeat")
    token_hash = models.BinaryField(max_length=32, unique=True, editable=False)  # SHA-256; the token is not stored
    last_ping_at = models.DateTimeField(null=True)  # of success or failure, not of a start
    started_at = models.DateTimeField(null=True)  # of a job that has not reported its end
    # Runs with an id that have not reported their end: ids and ISO times. `started_at` is the run without an id.
    runs = models.JSONField(null=True)
    run_overdue_at = models.DateTimeField(null=True)  # of the open run that is the first to take too long
    due_at = models.DateTimeField(null=True)  # the next ping, at the latest
    overdue_at = models.DateTimeField(
        null=True
    )  # when silence adds a bad check: `due_at` plus the grace period, then after each period
    version = models.IntegerField(default=0)  # of the service's settings that `due_at` comes from

    class Meta:
        db_table = "heartbeats"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(overdue_at=None) | models.Q(due_at__lte=models.F("overdue_at")),
                name="heartbeats_due_before_overdue",
            ),
            models.CheckConstraint(
                condition=models.Q(due_at=None) | models.Q(last_ping_at__isnull=False),
                name="heartbeats_due_after_first_ping",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Reader: the deadlines that have passed, every second.
            models.Index(fields=["overdue_at"], name="heartbeats_overdue"),
            # Reader: the runs that take too long, every second.
            models.Index(
                fields=["run_overdue_at"],
                condition=models.Q(run_overdue_at__isnull=False),
                name="heartbeats_run_overdue",
            ),
        ]

    def __str__(self) -> str:
        return self.service_id
