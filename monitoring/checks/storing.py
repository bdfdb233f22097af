"""Store checks and their requests as raw rows; existing rows are not changed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from database import partitions
from database.bulk import array, read_instants_fast
from database.sql import statement
from monitoring.checks.compressed import moving
from monitoring.checks.compressed.kinds import CHECKS
from monitoring.models.raw import BLIND_KEY, RAW_TABLES
from monitoring.probes.model import ProbeResult, Verdict
from monitoring.rules.answers import request_ms
from monitoring.rules.unix_time import from_ms
from observability.masking import mask_text

COMPRESSIBLE = timedelta(days=2)  # a day less than the least COMPRESS_AFTER_DAYS


def kept() -> timedelta:
    """Return for how long raw rows of both tables are kept; older results are refused, as their day may be dropped."""
    return timedelta(days=min(settings.KEEP_CHECKS_DAYS, settings.KEEP_RESPONSE_TIMES_DAYS))


def decompress_late(results: Sequence[ProbeResult], now: datetime) -> None:
    """Decompress the days that old results belong to, so that each result is compared with all stored checks.

    The limit is below the least `COMPRESS_AFTER_DAYS`, so the setting need not be known here.
    """
    old = [result for result in results if from_ms(result.checked_at_ms) < now - COMPRESSIBLE]
    if old:
        days = {from_ms(result.checked_at_ms).date() for result in old}
        moving.decompress(CHECKS, days, {result.service_id for result in old})


def make_partitions(results: Sequence[ProbeResult]) -> bool:
    """Create the partitions that results need, and return whether any was missing."""
    days = {from_ms(result.checked_at_ms).date() for result in results}
    # The request of a check near midnight may begin on the next day.
    days |= {from_ms(request.started_at_ms).date() for result in results for request in result.requests}
    return any([partitions.ensure(table, days) for table in RAW_TABLES])


def store(results: Sequence[ProbeResult], blind: Mapping[str, str]) -> list[ProbeResult]:
    """Insert the checks and return the new ones, in order of time. Two statements.

    Bad checks of a blind region are marked with its canaries.
    """
    if not results:
        return []
    # Sorted, so that two recorders with the same keys do not deadlock. Each key once, since one statement cannot insert
    # a row and find it existing.
    by_key = {(result.checked_at_ms, result.service_id, result.region): result for result in reversed(results)}
    ordered = [by_key[key] for key in sorted(by_key)]
    with connection.cursor() as cursor:
        read_instants_fast(cursor)
        cursor.execute(statement("monitoring", "store_checks"), _arrays(_check_columns(ordered, blind)))
        stored = set(cursor.fetchall())
    new = [each for each in ordered if (each.service_id, from_ms(each.checked_at_ms), each.region) in stored]
    _store_requests(new)
    return new


def _check_columns(results: Sequence[ProbeResult], blind: Mapping[str, str]) -> dict[str, list[Any]]:
    return {
        "checked_at": [from_ms(result.checked_at_ms) for result in results],
        # If a job reported only its end, its duration is unknown.
        "response_time": [_hundredths(result.phases.total_ms or None) for result in results],
        "lateness_ms": [_hundredths(result.lateness_ms) for result in results],
        "dns_ms": [_hundredths(result.phases.dns_ms) for result in results],
        "connect_ms": [_hundredths(result.phases.connect_ms) for result in results],
        "tls_ms": [_hundredths(result.phases.tls_ms) for result in results],
        "first_byte_ms": [_hundredths(result.phases.first_byte_ms) for result in results],
        "interval_ms": [result.interval_ms for result in results],
        "status_code": [result.status_code for result in results],
        "service_id": [result.service_id for result in results],
        "region": [result.region for result in results],
        "verdict": [result.verdict for result in results],
        "error_type": [result.error_type for result in results],
        "error_message": [result.error_message for result in results],
        "metadata": [
            json.dumps({BLIND_KEY: blind[result.region]})
            if result.verdict is Verdict.BAD and result.region in blind
            else None
            for result in results
        ],
    }


def _store_requests(results: Sequence[ProbeResult]) -> None:
    pairs = [(result, hop, request) for result in results for hop, request in enumerate(result.requests)]
    if not pairs:
        return
    columns: dict[str, list[Any]] = {
        "measured_at": [from_ms(request.started_at_ms) for _, _, request in pairs],
        "response_time": [_hundredths(request_ms(*pair)) for pair in pairs],
        "status_code": [request.status_code for _, _, request in pairs],
        "hop": [hop for _, hop, _ in pairs],
        "is_success": [
            request.error_message is None and request.status_code is not None and 200 <= request.status_code <= 299
            for _, _, request in pairs
        ],
        "is_final": [hop == len(result.requests) - 1 for result, hop, _ in pairs],
        "service_id": [result.service_id for result, _, _ in pairs],
        "region": [result.region for result, _, _ in pairs],
        "method": [request.method for _, _, request in pairs],
        # The first request goes to the service's own endpoint, which need not be stored millions of times. Queries in
        # redirects usually contain secrets.
        "endpoint": [_storable(request.url.partition("?")[0]) if hop else None for _, hop, request in pairs],
        "error_message": [_storable(request.error_message) for _, _, request in pairs],
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("monitoring", "store_requests"), _arrays(columns))


def _arrays(columns: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    return {name: array(values) for name, values in columns.items()}


def _hundredths(milliseconds: float | None) -> float | None:
    """Round to the precision of a clock under an event loop; further digits are noise, which does not compress."""
    return None if milliseconds is None else round(milliseconds, 2)


def presentable(result: ProbeResult) -> ProbeResult:
    """Return a result whose texts from the target or job are safe to store and show."""
    if result.error_message is None:
        return result
    return replace(result, error_message=_storable(result.error_message))


def _storable(message: str | None) -> str | None:
    """Return a message without NUL, which PostgreSQL refuses, and without secrets, cut to half a kilobyte."""
    return message and mask_text(message.replace("\x00", ""))[:500]
