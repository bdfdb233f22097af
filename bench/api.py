"""The API: lists over 10,000 services with checks and transitions, first page, in one process without a network."""

import argparse
import time
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from bench.database import migrated
from slamonitor.embedded.redis import EmbeddedRedis

NOW = datetime.now(UTC).replace(microsecond=0)
PATHS = {
    "services, first page of 100": "services",
    "services, first page of 500": "services?limit=500",
    "services, last page": "services?cursor={last}",
    "states, first page of 100": "states",
    "transitions, first page of 100": "transitions",
    "checks of all, first page of 100": "checks",
    "one service": "services/bench-005000",
    "uptime of one, 90 days": "services/bench-005000/uptime",
    "percentiles of one, 90 days": "services/bench-005000/percentiles",
    "ledger of one, 90 days": "services/bench-005000/ledger",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=100, help="of each kind in a round")
    parser.add_argument("--rounds", type=int, default=3)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    quiet = {"API_RATE_LIMIT": "1000000", "ALLOWED_HOSTS": "testserver", "LOG_LEVEL": "ERROR"}
    with EmbeddedRedis.running() as redis_url, migrated(REDIS_URL=redis_url, **quiet):
        _make_services(options.services)
        return {"services": options.services, "paths": _measure(options)}


def as_table(figures: dict[str, Any]) -> str:
    """Return medians of the rounds' percentiles as a Markdown table."""
    rows = [
        f"| {name} | {median(each['p50_ms']):.1f} | {median(each['p95_ms']):.1f} | {max(each['p95_ms']):.1f}"
        f" | {each['queries']} | {each['bytes'] / 1024:.0f} |"
        for name, each in figures["paths"].items()
    ]
    head = "| request | p50, ms | p95, ms | worst round's p95 | queries | KB |"
    return "\n".join([f"{figures['services']:,} services", "", head, "| --- | --- | --- | --- | --- | --- |", *rows])


# A check a minute in the last hour of each service, two changes of status each, and an open run of 90 days.
STATEMENTS = """
    INSERT INTO service_state (
        service_id, status, is_down, verdict, run_first_at, run_last_at, run_count, run_hold_s, streak_count, stale_at
    )
    SELECT id, 'o', FALSE, 'ok', %(now)s - interval '90 days', %(now)s, 129600, 150, 0, %(now)s + interval '1 hour'
    FROM services;
    INSERT INTO transitions (service_id, from_status, to_status, cause, edge_end_at, evidence, created_at)
    SELECT id, CASE WHEN n = 1 THEN 'o' ELSE 'mo' END, CASE WHEN n = 1 THEN 'mo' ELSE 'o' END,
        CASE WHEN n = 1 THEN 'failed' ELSE 'recovered' END,
        %(now)s - interval '2 days' * n - interval '1 second' * (hashtext(id) %% 80000), '{}', %(now)s
    FROM services, generate_series(1, 2) AS n;
    INSERT INTO watch_server_logs (
        checked_at, response_time, lateness_ms, interval_ms, status_code, service_id, region, verdict
    )
    SELECT
        date_trunc('hour', %(now)s) + make_interval(mins => n), 20 + 400 * random() ^ 4, 0.3, 60000, 200, id, 'default',
        'ok'
    FROM services, generate_series(0, 19) AS n;
    INSERT INTO api_call_logs (
        service_id, date, total_calls, successful_calls, failed_calls, total_downtime_minutes, histogram_buckets,
        histogram_counts, metadata
    )
    SELECT id, (%(now)s - interval '1 day' * n)::date, 1440, 1440, 0, 0, ARRAY(SELECT generate_series(150, 349)),
        array_fill(7, ARRAY[200]), '{}'
    FROM services, generate_series(1, 89) AS n
    WHERE id BETWEEN 'bench-004950' AND 'bench-005050'
"""


def _make_services(count: int) -> None:
    from django.db import connection

    from database import partitions
    from monitoring.models import Service
    from monitoring.models.raw import RAW_TABLES
    from monitoring.models.services import phase_of

    Service.objects.bulk_create(
        Service(
            id=id,
            name=id,
            display_name=f"Bench {id}",
            endpoint_url=f"https://{id}.example.com/health",
            check_settings={"expected_status": [200], "headers": {"Accept": "application/json"}},
            group_name=f"Group {number % 40}",
            tags=["bench", f"team-{number % 12}"],
            status="o",
            phase_ms=phase_of(id, 60_000),
        )
        for number, id in ((number, f"bench-{number:06}") for number in range(1, count + 1))
    )
    Service.objects.update(created_at=NOW - timedelta(days=100))
    for table in RAW_TABLES:
        partitions.ensure(table, {(NOW + timedelta(days=offset)).date() for offset in (-1, 0, 1)})
    with connection.cursor() as cursor:
        for statement in STATEMENTS.split(";"):
            cursor.execute(statement, {"now": NOW})
        cursor.execute("VACUUM ANALYZE")


def _measure(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    from django.test import Client
    from django.utils import timezone

    from accounts import tokens
    from accounts.models import User
    from monitoring.api.parameters import cursor_of

    user = User.objects.create(username="bench", email="bench@example.com", role="admin", password="!")
    _token, text = tokens.make(user, "bench", "admin", days=1, now=timezone.now())
    client, headers = Client(), {"authorization": f"Bearer {text}"}
    last = cursor_of(f"bench-{options.services - 50:06}")
    found = {}
    for name, path in PATHS.items():
        address = f"/api/v1/{path.format(last=last)}"
        rounds = [_round(client, address, headers, options.requests) for _ in range(options.rounds)]
        found[name] = {
            "p50_ms": [each[len(each) // 2] for each in rounds],
            "p95_ms": [each[-(-len(each) * 95 // 100) - 1] for each in rounds],
            **_cost(client, address, headers),
        }
    return found


def _round(client: Any, address: str, headers: dict[str, str], requests: int) -> list[float]:
    """Return the durations of requests in milliseconds, sorted, through the whole middleware."""
    took = []
    for _ in range(requests):
        began = time.perf_counter()
        response = client.get(address, headers=headers)
        took.append((time.perf_counter() - began) * 1000)
        assert response.status_code == 200, response.content
    return sorted(took)


def _cost(client: Any, address: str, headers: dict[str, str]) -> dict[str, int]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        response = client.get(address, headers=headers)
    return {"queries": len(queries), "bytes": len(response.content)}
