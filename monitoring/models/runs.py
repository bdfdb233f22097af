from typing import ClassVar

from django.db import models

from monitoring.models.raw import VERDICTS
from monitoring.probes.model import Verdict


class CheckRun(models.Model):
    """A run of equal verdicts without a gap. Runs are kept for years, and all figures can be computed from them.

    Only closed runs have rows; the open run of a service is in its `service_state`.
    """

    pk = models.CompositePrimaryKey("service_id", "first_at")
    first_at = models.DateTimeField()  # the first check of the run
    last_at = models.DateTimeField()  # the last one; its verdict holds for `hold_s` more, or until the next run begins
    check_count = models.IntegerField()
    hold_s = models.IntegerField()  # ceil(gap factor × interval): for how long one check counts
    service_id = models.TextField()
    verdict = models.TextField(choices=VERDICTS)

    class Meta:
        db_table = "check_runs"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(verdict__in=list(Verdict)), name="check_runs_verdict_known"),
            models.CheckConstraint(condition=models.Q(last_at__gte=models.F("first_at")), name="check_runs_in_order"),
            models.CheckConstraint(condition=models.Q(check_count__gte=1), name="check_runs_not_empty"),
            models.CheckConstraint(condition=models.Q(hold_s__gte=1), name="check_runs_hold_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.service_id} {self.verdict} × {self.check_count}"
