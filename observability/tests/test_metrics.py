"""Metrics add up over processes, are well-formed, and never cause a failure."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from observability import metrics
from observability.metrics import BulkHistogram


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(client: Client, name: str, **labels: str) -> float:
    return samples(client.get("/metrics").content.decode()).get((name, frozenset(labels.items())), 0.0)


@pytest.mark.django_db
def test_requests_are_counted_by_the_name_of_their_route(client: Client) -> None:
    def count() -> float:
        labels = {"method": "GET", "route": "observability:livez", "status": "200"}
        return value(client, "slamonitor_http_requests_total", **labels)

    before = count()
    client.get("/livez")

    assert count() == before + 1
    seconds = "slamonitor_http_request_duration_seconds_count"
    assert value(client, seconds, method="GET", route="observability:livez") > 0


@pytest.mark.django_db
def test_what_visitors_invent_becomes_no_label(client: Client) -> None:
    for number in range(3):
        client.generic(f"INVENTED{number}", f"/nowhere/{number}")

    text = client.get("/metrics").content.decode()
    assert "INVENTED" not in text and "nowhere" not in text
    assert value(client, "slamonitor_http_requests_total", method="other", route="none", status="404") >= 3


@pytest.mark.django_db
def test_engine_and_collectors_are_there(client: Client) -> None:
    text = client.get("/metrics").content.decode()

    for name in (
        "workers",
        "services",
        "queue_depth_messages",
        "rollup_age_seconds",
        "partitions_ahead",
        "probe_held",
        "probe_expired",
        "metrics_shared",
        "collector_up",
    ):
        assert f"\n# TYPE slamonitor_{name} " in text, name
    assert 'slamonitor_collector_up{collector="queues"} 1.0' in text


WORKER = textwrap.dedent("""
    import os, sys
    import django
    django.setup()
    from observability import metrics
    number = metrics.counter("test_adds_up", "Of tests.", ["kind"])
    size = metrics.histogram("test_sizes", "Of tests.", buckets=(1, 10))
    number.labels("a").inc(int(sys.argv[1]))
    size.observe_many([0.5, 5, 50])
    print(metrics.render().decode())
""")


def run_worker(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "METRICS_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", WORKER, *arguments],
        env=env,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.processes
def test_processes_add_up_also_those_that_have_ended(tmp_path: Path) -> None:
    for number in ("2", "3"):
        done = run_worker(tmp_path, number)

    found = samples(done.stdout)
    assert found["slamonitor_test_adds_up_total", frozenset({("kind", "a")})] == 5
    assert found["slamonitor_test_sizes_bucket", frozenset({("le", "10.0")})] == 4
    assert found["slamonitor_test_sizes_count", frozenset()] == 6
    assert found["slamonitor_metrics_shared", frozenset()] == 1


@pytest.mark.processes
def test_directory_that_cannot_be_written_costs_only_the_other_processes(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("no directory")

    found = samples(run_worker(taken, "2").stdout)

    assert found["slamonitor_test_adds_up_total", frozenset({("kind", "a")})] == 2
    assert found["slamonitor_metrics_shared", frozenset()] == 0


@pytest.mark.processes
def test_next_start_begins_with_nothing(tmp_path: Path) -> None:
    run_worker(tmp_path, "2")

    metrics.clear(tmp_path)

    assert list(tmp_path.iterdir()) == []
    metrics.clear(tmp_path / "never made")


def test_many_values_at_once_are_the_same_as_one_by_one() -> None:
    numbers = [0, 0.1, 1, 1.5, 10, 11, 1e9]
    one, many = (BulkHistogram("x", "x", registry=None, buckets=(0.1, 1, 10)) for _ in range(2))

    for number in numbers:
        one.observe(number)
    many.observe_many(numbers)

    assert [s.value for m in one.collect() for s in m.samples if not s.name.endswith("_created")] == [
        s.value for m in many.collect() for s in m.samples if not s.name.endswith("_created")
    ]


@pytest.mark.django_db
def test_collector_that_fails_is_left_out_and_said() -> None:
    def fail() -> Any:
        raise ZeroDivisionError

    text = metrics.render({"broken": fail}).decode()

    assert 'slamonitor_collector_up{collector="broken"} 0.0' in text
    assert 'what="collector broken"' in text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("token", "headers", "address", "status"),
    [
        ("", {}, "10.1.2.3", 200),
        ("", {}, "8.8.8.8", 403),
        ("", {"X-Forwarded-For": "10.1.2.3"}, "127.0.0.1", 403),
        ("s3cret", {}, "127.0.0.1", 403),
        ("s3cret", {"Authorization": "Bearer s3cret"}, "8.8.8.8", 200),
    ],
)
def test_figures_are_for_neighbours_or_with_the_token(
    client: Client, settings: Any, token: str, headers: dict[str, str], address: str, status: int
) -> None:
    settings.METRICS_TOKEN = token

    assert client.get("/metrics", headers=headers, REMOTE_ADDR=address).status_code == status


def test_only_their_owner_reads_the_files_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "metrics"
    before = os.umask(0)
    try:
        assert metrics._prepared(folder) == str(folder)
        metrics.ReservedFile(str(folder / "counter_1.db")).close()  # type: ignore[no-untyped-call]
    finally:
        os.umask(before)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert [file.stat().st_mode & 0o777 for file in folder.iterdir()] == [0o600]
