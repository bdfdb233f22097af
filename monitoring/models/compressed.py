"""Compressed days: the checks and requests of one service, region and UTC day as a few bytes.

The tables are created in SQL (`monitoring/sql/folded_tables.sql`), as Django does not support partitions.
"""

from django.db import models


class CompressedChecks(models.Model):
    """The checks of a day. Others of the same day may be raw, but no check is in both places."""

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


class CompressedRequests(models.Model):
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


COMPRESSED_TABLES = (CompressedChecks._meta.db_table, CompressedRequests._meta.db_table)
