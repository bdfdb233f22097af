"""Raw checks and raw requests: one row each, in day partitions without foreign keys.

The tables are created in SQL (`monitoring/sql/raw_tables.sql`), as Django does not support partitions. The order of the
columns wastes no bytes on alignment.
"""

from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.probes.model import ErrorType, Verdict

VERDICTS = [(Verdict.OK.value, _("ok")), (Verdict.SLOW.value, _("slow")), (Verdict.BAD.value, _("bad"))]
ERROR_TYPES = [
    (ErrorType.TIMEOUT.value, _("timeout")),
    (ErrorType.CONNECTION.value, _("connection error")),
    (ErrorType.HTTP.value, _("HTTP error")),
    (ErrorType.DNS.value, _("DNS error")),
    (ErrorType.UNKNOWN.value, _("unknown error")),
]


BLIND_KEY = "blind"  # a key of the metadata: why the check does not count, such as the silent canaries
AHEAD_KEY = "ahead"  # another one, with the first: the check was from the future when recorded


class RealField(models.FloatField):  # type: ignore[type-arg]  # takes no arguments when running
    """A float of four bytes (`real`), which suffice for milliseconds in millions of raw rows."""

    def db_type(self, connection: object) -> str:
        return "real"


class CheckQuerySet(models.QuerySet["WatchServerLog"]):
    def speaking(self) -> Self:
        """Return the checks that count for a service.

        Failures of our own network (`monitoring/engine/blindness.py`) do not, nor do checks from the future
        (`monitoring/states/future.py`).
        """
        return self.exclude(metadata__has_key=BLIND_KEY)


class WatchServerLog(models.Model):
    """One check with its verdict. A failure of ours has no row: it is a gap."""

    pk = models.CompositePrimaryKey("service_id", "checked_at", "region")
    checked_at = models.DateTimeField()  # the slot: when the check was due, in whole milliseconds
    response_time = RealField(null=True)  # ms, the whole attempt with redirects and body, answered or not
    lateness_ms = RealField()  # started − due
    dns_ms = RealField(null=True)
    connect_ms = RealField(null=True)
    tls_ms = RealField(null=True)
    first_byte_ms = RealField(null=True)
    interval_ms = models.IntegerField()  # in force at the check; determines its hold
    status_code = models.SmallIntegerField(null=True)
    is_healthy = models.GeneratedField(
        expression=~models.Q(verdict=Verdict.BAD.value),  # type: ignore[arg-type]  # a Q resolves, as documented
        output_field=models.BooleanField(),
        db_persist=True,
    )
    service_id = models.TextField()
    region = models.TextField()
    verdict = models.TextField(choices=VERDICTS)
    error_type = models.TextField(choices=ERROR_TYPES, null=True)
    error_message = models.TextField(null=True)
    metadata = models.JSONField(null=True)  # null on a healthy row

    objects = CheckQuerySet.as_manager()

    class Meta:
        db_table = "watch_server_logs"
        managed = False

    def __str__(self) -> str:
        return f"{self.service_id} {self.checked_at:%Y-%m-%d %H:%M:%S} {self.verdict}"


class ApiResponseTime(models.Model):
    """One request on the wire. A check makes several when it is redirected."""

    pk = models.CompositePrimaryKey("service_id", "measured_at", "region", "hop")  # no index: nobody reads by it
    measured_at = models.DateTimeField()  # when the request began
    response_time = RealField(null=True)  # ms; null: the answer is missing or incomplete
    status_code = models.SmallIntegerField(null=True)
    hop = models.SmallIntegerField(default=0)  # 0, then one more for each redirect
    is_success = models.BooleanField()  # answered in full with 200–299
    is_final = models.BooleanField(default=True)  # the last of its check: `api_call_logs` counts these
    service_id = models.TextField()
    region = models.TextField()
    method = models.TextField(default="GET")
    endpoint = models.TextField(null=True)  # null: the service's own
    error_message = models.TextField(null=True)
    metadata = models.JSONField(null=True)

    class Meta:
        db_table = "api_response_times"
        managed = False

    def __str__(self) -> str:
        return f"{self.service_id} {self.measured_at:%Y-%m-%d %H:%M:%S} {self.status_code}"


RAW_TABLES = (WatchServerLog._meta.db_table, ApiResponseTime._meta.db_table)
