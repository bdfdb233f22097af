"""Upsert the rows of a day in `uptime_records` and `api_call_logs` from its figures."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from django.utils import timezone

from monitoring.accounting import earlier_figures
from monitoring.accounting.day import Day
from monitoring.checks.day_requests import DayOfRequests
from monitoring.models import ApiCallLog, UptimeRecord
from monitoring.rules.sla import Kind


class Counted(NamedTuple):
    """The raw checks of one service and day."""

    total: int
    healthy: int
    average_ms: float | None  # of answers


NOTHING_CHECKED = Counted(0, 0, None)


def uptime_record(day: Day, checks: Counted | None) -> UptimeRecord:
    total, healthy, average_ms = checks or NOTHING_CHECKED
    seconds = day.account.seconds
    return UptimeRecord(
        service_id=day.service.id,
        date=day.date,
        time_zone=day.time_zone,
        counts_time_zone=day.time_zone,
        status=day.status,
        uptime_percentage=_decimal(day.account.figures.uptime),
        coverage_percentage=_decimal(day.account.figures.coverage),
        total_checks=total,
        successful_checks=healthy,
        failed_checks=total - healthy,
        avg_response_time=average_ms,
        policy=day.terms.version,
        failure_threshold=day.terms.rules.failure_threshold,
        recovery_threshold=day.terms.rules.recovery_threshold,
        is_settled=day.account.is_settled,
        updated_at=timezone.now(),
        **{f"{kind}_s": seconds[kind] for kind in Kind},
    )


def api_call_log(day: Day, requests: DayOfRequests) -> ApiCallLog:
    buckets, counts = requests.histogram()
    return ApiCallLog(
        service_id=day.service.id,
        date=day.date,
        time_zone=day.time_zone,
        counts_time_zone=day.time_zone,
        total_calls=requests.total,
        successful_calls=requests.good,
        failed_calls=requests.total - requests.good,
        avg_response_time=requests.average_ms,
        min_response_time=requests.percentile_ms(0),
        max_response_time=requests.percentile_ms(100),
        p50_response_time=requests.percentile_ms(50),
        p95_response_time=requests.percentile_ms(95),
        p99_response_time=requests.percentile_ms(99),
        total_downtime_minutes=-(-day.account.seconds[Kind.DOWN] // 60),
        uptime_percentage=_decimal(day.account.figures.uptime),
        histogram_buckets=buckets,
        histogram_counts=counts,
    )


UPTIME_FIGURES = [
    "time_zone",
    "status",
    "uptime_percentage",
    "coverage_percentage",
    "is_settled",
    "metadata",
    "updated_at",
    "policy",
    "failure_threshold",
    "recovery_threshold",
    *(f"{kind}_s" for kind in Kind),
]

CHECK_FIGURES = ["counts_time_zone", "total_checks", "successful_checks", "failed_checks", "avg_response_time"]

# Columns of `api_call_logs` that depend on time alone.
TIME_FIGURES = ["time_zone", "total_downtime_minutes", "uptime_percentage"]


def store_uptime(rows: Sequence[UptimeRecord], *, with_checks: bool) -> None:
    earlier_figures.keep(rows)
    UptimeRecord.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["service_id", "date"],
        update_fields=UPTIME_FIGURES + CHECK_FIGURES if with_checks else UPTIME_FIGURES,
    )


def store_calls(rows: Sequence[ApiCallLog], *, with_requests: bool) -> None:
    figures = [field.name for field in ApiCallLog._meta.concrete_fields if field.name not in ("service", "date")]
    ApiCallLog.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["service_id", "date"],
        update_fields=figures if with_requests else TIME_FIGURES,
    )


def _decimal(hundredths: int | None) -> Decimal | None:
    return None if hundredths is None else Decimal(hundredths) / 100
