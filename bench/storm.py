"""Many services down at once in a running installation: when one incident has them all, and the admin meanwhile."""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from threading import Event, Thread
from typing import Any

import httpx

from bench.installation import running, services_file
from slamonitor.embedded.state_directory import read_env
from slamonitor.tests.installation import Installation, wait_until

PAGES = {"overview": "admin/", "incidents": "admin/incidents/incident/", "refresh of the overview": "admin/now/"}
DAY_MS = 86_400_000  # between checks, so that the storm is what the engine works on
BATCH = 200  # transitions that one batch of checks brings
PAUSE_S = 0.1  # between two requests of the reporter
FOLLOWED = "SELECT count(*), count(DISTINCT incident_id) FROM incident_affected_services WHERE is_followed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services", type=int, default=2000)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with running() as installation:
        installation.manage("sync_services", "-", text=services_file(options.services, DAY_MS, "http://127.0.0.1:9"))
        cookie = _signed_in(installation)
        with _visits(installation, cookie) as calm:
            time.sleep(10)
        with _visits(installation, cookie) as took:
            drafted_s = _storm(installation, options.services)
            time.sleep(3)  # the pages with all of them
        return {"services": options.services, "drafted_s": drafted_s, "calm_ms": calm, "storm_ms": took}


def as_table(figures: dict[str, Any]) -> str:
    """Return how long the draft and the pages took as a Markdown table."""
    rows = [f"| {figures['services']:,} services down → one incident, s | {figures['drafted_s']:.2f} | |"]
    for name in PAGES:
        calm, took = figures["calm_ms"][name], figures["storm_ms"][name]
        spread = f"max {max(took):.0f}, before the storm {median(calm):.0f}"
        rows.append(f"| {name} meanwhile, ms | {median(took):.0f} | {spread} |")
    return "\n".join(["| figure | median | spread |", "| --- | --- | --- |", *rows])


def _signed_in(installation: Installation) -> str:
    """Set Django up on the installation's database, make a reporter, and return the cookie of a session."""
    env = read_env(installation.state)
    os.environ.update(env, DJANGO_SETTINGS_MODULE="slamonitor.settings", LOG_LEVEL="ERROR")
    import django

    django.setup()
    from django.test import Client

    from accounts.models import User

    reporter = User.objects.create(username="bench", email="bench@example.com", role="reporter", password="!")
    client = Client()
    client.force_login(reporter, backend="django.contrib.auth.backends.ModelBackend")
    return client.cookies["sessionid"].value


@contextmanager
def _visits(installation: Installation, cookie: str) -> Iterator[dict[str, list[float]]]:
    """Let a reporter request the pages in turn until the block ends; yield the milliseconds by page."""
    took: dict[str, list[float]] = {name: [] for name in PAGES}
    is_over = Event()

    def visit() -> None:
        url = f"http://127.0.0.1:{installation.port}"
        with httpx.Client(base_url=url, cookies={"sessionid": cookie}, timeout=60, trust_env=False) as client:
            while not is_over.wait(PAUSE_S):
                for name, path in PAGES.items():
                    began = time.perf_counter()
                    assert client.get(path).status_code == 200, name
                    took[name].append((time.perf_counter() - began) * 1000)

    reporter = Thread(target=visit)
    reporter.start()
    try:
        yield took
    finally:
        is_over.set()
        reporter.join()


def _storm(installation: Installation, services: int) -> float:
    """Record transitions in batches, and return the seconds from the first until one incident follows all services."""
    from django.db import transaction

    from monitoring.models import Service, Transition
    from monitoring.states import transitions

    ids = list(Service.objects.filter(id__startswith="bench-").order_by("id").values_list("id", flat=True))
    began, at = time.monotonic(), datetime.now(UTC)
    for start in range(0, services, BATCH):
        with transaction.atomic():
            transitions.record(
                [
                    Transition(
                        service_id=id,
                        from_status="nd",
                        to_status="mo",
                        cause="failed",
                        edge_start_at=at - timedelta(seconds=60),
                        edge_end_at=at,
                        created_at=datetime.now(UTC),
                        evidence={"error_type": "timeout", "error_message": "answered 503"},
                    )
                    for id in ids[start : start + BATCH]
                ]
            )
    wait_until(lambda: installation.query(FOLLOWED) == [(services, 1)], "not every outage is in one incident")
    return time.monotonic() - began
