"""What we add to the ORM for PostgreSQL, and what upkeep and backups remember."""

from typing import ClassVar

from django.db import models


class ChangeCounter(models.Model):
    """One number per topic, raised in the transaction that changes something readers keep in memory."""

    topic = models.TextField(primary_key=True)
    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "change_counters"

    def __str__(self) -> str:
        return f"{self.topic} {self.value}"


class NightlyRun(models.Model):
    """The newest run of a piece of nightly work."""

    name = models.TextField(primary_key=True)
    begun_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)  # null: it runs, failed or died
    error = models.TextField(default="")  # why it failed, for the operator

    class Meta:
        db_table = "nightly_runs"

    def __str__(self) -> str:
        return f"{self.name} {self.begun_at:%Y-%m-%d %H:%M:%S}"


class DroppedPartition(models.Model):
    """A day of a raw table that retention has dropped, or is about to: whoever reads that day must not rely on it."""

    pk = models.CompositePrimaryKey("table_name", "day")
    table_name = models.TextField()
    day = models.DateField()  # UTC
    size_bytes = models.BigIntegerField()  # given back, indexes included
    dropped_at = models.DateTimeField()

    class Meta:
        db_table = "dropped_partitions"

    def __str__(self) -> str:
        return f"{self.table_name} {self.day}"


class DatabaseSize(models.Model):
    """How large the database was at the end of a night's upkeep, so that its growth can be told."""

    measured_at = models.DateTimeField(primary_key=True)
    size_bytes = models.BigIntegerField()

    class Meta:
        db_table = "database_sizes"

    def __str__(self) -> str:
        return f"{self.measured_at:%Y-%m-%d} {self.size_bytes}"


class BackupReport(models.Model):
    """What became of a backup, or of the proof that one can be restored."""

    BACKUP, PROOF = "backup", "proof"

    subject = models.TextField(choices=[(BACKUP, BACKUP), (PROOF, PROOF)])
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)  # null: it runs, or was killed
    is_good = models.BooleanField(default=False)
    file = models.TextField(default="")
    size_bytes = models.BigIntegerField(default=0)  # of the file, without those of closed days
    problem = models.TextField(default="")  # in words; empty when it went well

    class Meta:
        db_table = "backup_reports"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(subject__in=["backup", "proof"]), name="backup_reports_subject_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.began_at:%Y-%m-%d %H:%M}"
