"""Status changes. They are for telling people, not for accounting: figures come from runs alone."""

from typing import ClassVar

from django.db import models

from monitoring.models.services import Service
from monitoring.rules.state import Cause, Status


class Transition(models.Model):
    """A service went from one status to another. Append-only."""

    service = models.ForeignKey(Service, models.CASCADE, related_name="transitions", db_index=False)
    from_status = models.CharField(max_length=2)
    to_status = models.CharField(max_length=2)
    cause = models.TextField(choices=[(cause.value, cause.value) for cause in Cause])
    # The exact time of the change is unknown. It is between the last check with the old status (null: there was none)
    # and the first one with the new status; for an outage, the last good and the first bad check. Figures count from
    # `edge_end_at`.
    edge_start_at = models.DateTimeField(null=True)
    edge_end_at = models.DateTimeField()
    evidence = models.JSONField(default=dict)  # of the deciding check: status_code, error_type, error_message, …
    created_at = models.DateTimeField()

    class Meta:
        db_table = "transitions"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(from_status__in=list(Status), to_status__in=list(Status)),
                name="transitions_status_known",
            ),
            models.CheckConstraint(condition=~models.Q(from_status=models.F("to_status")), name="transitions_change"),
            models.CheckConstraint(
                condition=models.Q(edge_start_at=None) | models.Q(edge_start_at__lte=models.F("edge_end_at")),
                name="transitions_edge_in_order",
            ),
            models.CheckConstraint(condition=models.Q(cause__in=list(Cause)), name="transitions_cause_known"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Readers: the history of a service, newest first.
            models.Index(fields=["service", "-edge_end_at"], name="transitions_of_service"),
            # Reader: the API's list of all services' changes, newest first.
            models.Index(fields=["-edge_end_at", "-id"], name="transitions_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.service_id} {self.from_status} → {self.to_status}"


class TransitionClaim(models.Model):
    """A transition that one consumer still has to handle."""

    pk = models.CompositePrimaryKey("transition_id", "consumer")
    transition = models.ForeignKey(Transition, models.CASCADE, related_name="claims", db_index=False)
    consumer = models.TextField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "transition_claims"
        indexes: ClassVar[list[models.Index]] = [
            # Readers: each consumer, and the sweep that finds rows whose message was lost.
            models.Index(
                fields=["consumer", "transition"], condition=models.Q(done_at=None), name="transition_claims_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.consumer} of {self.transition_id}"
