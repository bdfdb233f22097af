"""From a transition to its draft, and many services that go down at once."""

import argparse
import time
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Any

import psycopg

from bench.database import migrated
from bench.faults.targets import Switched, switched
from bench.installation import running, services_file
from slamonitor.embedded.state_directory import read_env
from slamonitor.tests.installation import Installation, wait_until

LOOK_S = 0.02  # between two looks into the database
PATIENCE_S = 90
BATCH = 200  # transitions that one batch of checks brings
FIRST_SEEN = """
    SELECT service_id, extract(epoch FROM clock_timestamp() - (evidence ->> 'confirmed_at')::timestamptz)
    FROM incident_affected_services WHERE is_followed AND recovered_at IS NULL AND NOT service_id = ANY (%s)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=100, help="of the installation whose target dies")
    parser.add_argument("--interval", type=int, default=10, help="seconds between the checks of a service")
    parser.add_argument("--deaths", type=int, default=3, help="of the target")
    parser.add_argument("--storm", type=int, default=2000, help="services that go down at once")
    parser.add_argument("--rounds", type=int, default=3, help="storms")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "services": options.services,
        "interval_s": options.interval,
        "delays_s": sorted(_deaths(options)),
        "storm": options.storm,
        **_storms(options),
    }


def as_table(figures: dict[str, Any]) -> str:
    """Return the delays and the durations as a Markdown table."""
    shares = quantiles(figures["delays_s"], n=20, method="inclusive")
    rows = [
        ("transition → draft, p50, s", f"{shares[9]:.2f}", ""),
        ("transition → draft, p95, s", f"{shares[18]:.2f}", f"max {figures['delays_s'][-1]:.2f}"),
        *(
            (f"{figures['storm']:,} services {what}, s", f"{median(found):.2f}", f"{min(found):.2f} – {max(found):.2f}")
            for what, found in (
                ("down at once → one incident", figures["at_once_s"]),
                (f"down in batches of {BATCH}, all runs together", figures["in_batches_s"]),
                ("up again → closing update", figures["recovery_s"]),
            )
        ),
        ("a run without news meanwhile, ms", f"{median(figures['idle_ms']):.0f}", ""),
    ]
    return "\n".join(
        ["| figure | median | spread |", "| --- | --- | --- |", *(f"| {' | '.join(row)} |" for row in rows)]
    )


def _deaths(options: argparse.Namespace) -> list[float]:
    """Stop the target of all services, and read how long after each transition its draft is stored."""
    with switched() as target, running() as installation:
        installation.manage(
            "sync_services", "-", text=services_file(options.services, options.interval * 1000, target.url)
        )
        return [delay for _ in range(options.deaths) for delay in _one_death(installation, target, options.services)]


def _one_death(installation: Installation, target: Switched, services: int) -> list[float]:
    up = "SELECT count(*) FROM services WHERE status = 'o' AND id LIKE 'bench-%%'"
    wait_until(lambda: installation.query(up) == [(services,)], "not every service is up")
    # A run that is still at it would follow them again.
    open_ones = "SELECT count(*) FROM incident_affected_services WHERE is_followed AND recovered_at IS NULL"
    wait_until(lambda: installation.query(open_ones) == [(0,)], "not every recovery is followed")
    installation.query("UPDATE incident_affected_services SET is_followed = FALSE RETURNING 1")
    target.tell("fail")
    began, seen = time.monotonic(), dict[str, float]()
    url = read_env(installation.state)["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:  # one for all looks: a new one each time costs CPU
        while len(seen) < services:
            assert time.monotonic() - began < PATIENCE_S, f"only {len(seen)} of {services} are drafted"
            for service, delay in connection.execute(FIRST_SEEN, [list(seen)]):
                seen.setdefault(service, float(delay))
            time.sleep(LOOK_S)
    target.tell("answer")
    return list(seen.values())


def _storms(options: argparse.Namespace) -> dict[str, list[float]]:
    with migrated(LOG_LEVEL="ERROR"):
        from incidents.models import AffectedService

        ids = _make_services(options.storm)
        figures: dict[str, list[float]] = {"at_once_s": [], "in_batches_s": [], "recovery_s": [], "idle_ms": []}
        for number in range(options.rounds):
            at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=number * 2)
            figures["at_once_s"].append(_turn(ids, "mo", at, len(ids)))
            began = time.perf_counter()
            _follow(at + timedelta(seconds=10))
            figures["idle_ms"].append((time.perf_counter() - began) * 1000)
            figures["recovery_s"].append(_turn(ids, "o", at + timedelta(minutes=5), len(ids)))
            AffectedService.objects.update(is_followed=False)
            figures["in_batches_s"].append(_turn(ids, "mo", at + timedelta(hours=1), BATCH))
            _turn(ids, "o", at + timedelta(minutes=65), len(ids))
            AffectedService.objects.update(is_followed=False)
    return figures


def _make_services(count: int) -> list[str]:
    """Make services with ten good checks each."""
    from django.db import connection

    from database import partitions
    from monitoring.models import Service

    Service.objects.bulk_create(
        Service(id=f"bench-{n:06}", name=f"bench-{n:06}", display_name="Bench", endpoint_url="http://127.0.0.1/")
        for n in range(count)
    )
    now = datetime.now(UTC)
    partitions.ensure("watch_server_logs", {now.date(), (now - timedelta(minutes=10)).date()})
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO watch_server_logs (checked_at, response_time, lateness_ms, interval_ms, status_code,"
            " service_id, region, verdict) SELECT %s::timestamptz - make_interval(mins => back), 20, 0.3, 60000, 200,"
            " id, 'default', 'ok' FROM services, generate_series(0, 9) AS back",
            [now],
        )
        cursor.execute("VACUUM ANALYZE")
    return [f"bench-{n:06}" for n in range(count)]


def _turn(ids: list[str], status: str, at: datetime, batch: int) -> float:
    """Record transitions, let a run follow each batch, and return the seconds that the runs took."""
    from django.db import transaction

    from incidents.models import AffectedService
    from monitoring.models import Transition
    from monitoring.states import transitions

    before, cause = ("o", "failed") if status == "mo" else ("mo", "recovered")
    took_s = 0.0
    for start in range(0, len(ids), batch):
        with transaction.atomic():
            transitions.record(
                [
                    Transition(
                        service_id=id,
                        from_status=before,
                        to_status=status,
                        cause=cause,
                        edge_start_at=at - timedelta(seconds=60),
                        edge_end_at=at,
                        created_at=at + timedelta(seconds=5),
                        evidence={"error_type": "timeout", "error_message": "answered 503"},
                    )
                    for id in ids[start : start + batch]
                ]
            )
        began = time.perf_counter()
        _follow(at + timedelta(seconds=6))
        took_s += time.perf_counter() - began
    followed = AffectedService.objects.filter(is_followed=True, recovered_at__isnull=status == "mo")
    assert followed.count() == len(ids), "not every outage is followed"
    assert followed.values("incident").distinct().count() == 1, "it is more than one incident"
    return took_s


def _follow(now: datetime) -> None:
    from incidents.outages import following

    while following.follow(now):
        pass
