"""Tables of our extensions for PostgreSQL: change counters, nightly runs, dropped days, sizes and backups."""

from typing import ClassVar

from django.db import models


class ChangeCounter(models.Model):
    """One number per topic, raised in the transaction that changes values which readers cache."""

    topic = models.TextField(primary_key=True)
    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "change_counters"

    def __str__(self) -> str:
        return f"{self.topic} {self.value}"


class NightlyRun(models.Model):
    """The newest run of a nightly job."""

    name = models.TextField(primary_key=True)
    begun_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)  # null: it is running, failed or was killed
    error = models.TextField(default="")  # why it failed, for the operator

    class Meta:
        db_table = "nightly_runs"

    def __str__(self) -> str:
        return f"{self.name} {self.begun_at:%Y-%m-%d %H:%M:%S}"


class DroppedPartition(models.Model):
    """A day of a raw table that retention has dropped, or is about to: readers must not rely on that day."""

    pk = models.CompositePrimaryKey("table_name", "day")
    table_name = models.TextField()
    day = models.DateField()  # UTC
    size_bytes = models.BigIntegerField()  # freed, including indexes
    dropped_at = models.DateTimeField()

    class Meta:
        db_table = "dropped_partitions"

    def __str__(self) -> str:
        return f"{self.table_name} {self.day}"


class DatabaseSize(models.Model):
    """The size of the database after a night's maintenance jobs, from which its growth is computed."""

    measured_at = models.DateTimeField(primary_key=True)
    size_bytes = models.BigIntegerField()

    class Meta:
        db_table = "database_sizes"

    def __str__(self) -> str:
        return f"{self.measured_at:%Y-%m-%d} {self.size_bytes}"


class BackupReport(models.Model):
    """The result of a backup, or of the proof that one can be restored."""

    BACKUP, PROOF = "backup", "proof"

    subject = models.TextField(choices=[(BACKUP, BACKUP), (PROOF, PROOF)])
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)  # null: it is running, or was killed
    is_good = models.BooleanField(default=False)
    file = models.TextField(default="")
    size_bytes = models.BigIntegerField(default=0)  # of the file, without those of closed days
    problem = models.TextField(default="")  # in words; empty if it succeeded

    class Meta:
        db_table = "backup_reports"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(subject__in=["backup", "proof"]), name="backup_reports_subject_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.began_at:%Y-%m-%d %H:%M}"
