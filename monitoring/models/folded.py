"""Folded days: the checks and requests of one service, region and UTC day as a few bytes.

The tables are made by SQL (`monitoring/sql/folded_tables.sql`): Django knows no partitions.
"""

from django.db import models


class FoldedChecks(models.Model):
    """The checks of a day; a day may have some of its checks here and others raw, but each in one place only."""

    pk = models.CompositePrimaryKey("service_id", "day", "region")
    day = models.DateField()  # UTC
    row_count = models.IntegerField()
    bad_count = models.IntegerField()
    blind_count = models.IntegerField()
    service_id = models.TextField()
    region = models.TextField()
    content = models.BinaryField()

    class Meta:
        db_table = "folded_checks"
        managed = False

    def __str__(self) -> str:
        return f"{self.service_id} {self.day} {self.row_count}"


class FoldedRequests(models.Model):
    """The requests that began on a day."""

    pk = models.CompositePrimaryKey("service_id", "day", "region")
    day = models.DateField()  # UTC
    row_count = models.IntegerField()
    service_id = models.TextField()
    region = models.TextField()
    content = models.BinaryField()

    class Meta:
        db_table = "folded_requests"
        managed = False

    def __str__(self) -> str:
        return f"{self.service_id} {self.day} {self.row_count}"


FOLDED_TABLES = (FoldedChecks._meta.db_table, FoldedRequests._meta.db_table)
