"""From a started installation to the page, with every process real, and killed."""

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import trustme

from slamonitor.tests.installation import Installation, family, wait_until
from slamonitor.tests.targets import STEADY, Target, all_targets

pytestmark = pytest.mark.processes

SERVICE = "- {{id: {id}, name: {id}, endpoint_url: '{url}', check_interval: 1000, timeout: {timeout}}}"
OF = "FROM watch_server_logs WHERE service_id = %s"


@pytest.fixture(scope="module")
def switched() -> Target:
    return Target()


@pytest.fixture(scope="module")
def steady() -> Target:
    return Target()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, switched: Target, steady: Target) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    folder.chmod(0o755)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    own = Installation(folder, SSL_CERT_FILE=str(folder / "authority.pem"))
    with all_targets(authority, switched, steady) as targets, own as installation:
        lines = [SERVICE.format(id=id, url=url, timeout=300 if id == "hanging" else 900) for id, url in targets.items()]
        installation.manage("sync_services", "-", text="\n".join(["services:", *lines]))
        yield installation


def count(installation: Installation, service_id: str = "healthy", since: datetime | None = None) -> int:
    since = since or datetime.fromtimestamp(0, UTC)
    return int(installation.query(f"SELECT count(*) {OF} AND checked_at >= %s", service_id, since)[0][0])


def test_every_target_gives_its_class_and_words(installation: Installation) -> None:
    words = {
        "healthy": ("ok", 200, None, ""),
        "broken": ("bad", 500, "http_error", "answered 500 Internal Server Error"),
        "hanging": ("bad", None, "timeout", "no answer within 0.3 s: "),
        "refused": ("bad", None, "connection_error", "connection refused by 127.0.0.1"),
        "nameless": ("bad", None, "dns_error", "no such host: nowhere.invalid"),
        "expired": ("bad", None, "connection_error", "TLS certificate expired 3 days ago"),
        "sla-monitor": ("ok", 200, None, ""),  # it measures itself; at first, perhaps, before its page can be reached
    }

    def others() -> dict[str, object]:
        """Return what the newest check of a service says where it is not that."""
        found = newest_checks(installation)
        return {id: found.get(id) for id, said in words.items() if not is_said(found.get(id), said)}

    wait_until(lambda: not others(), lambda: f"{others()} {installation.log.read_text()}")


def newest_checks(installation: Installation) -> dict[str, tuple[object, ...]]:
    rows = installation.query(
        "SELECT DISTINCT ON (service_id) service_id, verdict, status_code, error_type, coalesce(error_message, '')"
        " FROM watch_server_logs ORDER BY service_id, checked_at DESC"
    )
    return {row[0]: row[1:] for row in rows}


def is_said(found: tuple[object, ...] | None, wanted: tuple[object, ...]) -> bool:
    """Compare all but the words, of which only the beginning is told."""
    return found is not None and found[:3] == wanted[:3] and str(found[3]).startswith(str(wanted[3]))


def test_every_slot_has_one_row_at_its_instant(installation: Installation) -> None:
    wait_until(lambda: count(installation) >= 5)
    slots = [row[0] for row in installation.query(f"SELECT checked_at {OF} ORDER BY checked_at", "healthy")]

    pauses = [later - earlier for earlier, later in itertools.pairwise(slots)]
    # On a machine that stands still meanwhile a slot may be left out, and is then a gap.
    assert min(pauses) == timedelta(seconds=1)
    assert [pause for pause in pauses if pause % timedelta(seconds=1)] == []


def test_a_target_is_told_who_asks(installation: Installation, switched: Target) -> None:
    headers = wait_until(lambda: switched.headers_seen[-1:])[0]

    assert headers["User-Agent"].startswith("SLA-Monitor/")
    assert headers["traceparent"].split("-")[1] == headers["X-Trace-Id"]


def test_page_state_runs_and_transitions_follow_a_target(installation: Installation, switched: Target) -> None:
    name = "switched"
    wait_until(lambda: status(installation, name) == "o")

    switched.status = 503
    wait_until(lambda: status(installation, name) == "mo")
    wait_until(lambda: ">Down<" in row_of(installation, name), lambda: row_of(installation, name))

    switched.status = 200
    wait_until(lambda: status(installation, name) == "o")
    wait_until(lambda: ">Operational<" in row_of(installation, name), lambda: row_of(installation, name))

    changes = installation.query(
        "SELECT from_status, to_status, cause, edge_end_at > edge_start_at, evidence->>'status_code'"
        " FROM transitions WHERE service_id = %s AND cause IN ('failed', 'recovered') ORDER BY id",
        name,
    )
    assert changes == [("o", "mo", "failed", True, "503"), ("mo", "o", "recovered", True, "200")]
    runs = installation.query(
        "SELECT verdict, check_count FROM check_runs WHERE service_id = %s ORDER BY first_at", name
    )
    # A gap, on a machine that stood still, makes two runs of one.
    assert [verdict for verdict, _ in itertools.groupby(verdict for verdict, _ in runs)] == ["ok", "bad"]
    assert sum(checks for verdict, checks in runs if verdict == "bad") >= 2


def test_system_status_follows(installation: Installation) -> None:
    expected = ("degraded", 3 + STEADY, 8 + STEADY)  # five of them fail on purpose

    def found() -> tuple[object, ...]:
        return installation.query("SELECT overall_status, operational_services, total_services FROM system_status")[0]

    wait_until(lambda: found() == expected, lambda: f"{found()} is not {expected}")


def test_health_names_its_dependencies(installation: Installation) -> None:
    wait_until(
        lambda: installation.page("health").json()["status"] == "healthy", lambda: installation.page("health").text
    )
    health = installation.page("health").json()

    assert {dependency["name"] for dependency in health["dependencies"]} == {
        "backups",
        "database",
        "redis",
        "dispatch",
        "workers",
        "pace",
        "network",
        "clocks",
        "names",
        "messages",
        "targets",
    }


@pytest.mark.parametrize(
    "victim", ["--hostname probe", "--hostname engine", "--hostname dispatch", "app slamonitor beat", "bin/postgres "]
)
def test_killing_a_process_leaves_a_gap_and_nothing_else(installation: Installation, victim: str) -> None:
    killed_at = datetime.now(UTC)
    pids = installation.processes(victim)
    assert pids, f"{victim} is not running"
    os.kill(pids[0], signal.SIGKILL)

    later = killed_at + timedelta(seconds=4)
    wait_until(lambda: answers(lambda: count(installation, since=later) >= 3), installation.log.read_text)

    doubled = installation.query(f"SELECT checked_at {OF} GROUP BY 1 HAVING count(*) > 1", "healthy")
    assert doubled == []
    assert false_outages(installation) == []


def test_killing_up_ends_everything_and_it_resumes(installation: Installation) -> None:
    everything = family(installation.pid)
    before = count(installation)
    installation.stop(signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, everything)), lambda: f"left: {[p for p in everything if is_alive(p)]}")

    restarted_at = datetime.now(UTC)
    installation.start()

    wait_until(lambda: count(installation, since=restarted_at) >= 3, installation.log.read_text)
    assert count(installation) >= before
    assert false_outages(installation) == []


def test_sigterm_ends_everything_in_time_and_loses_no_finished_check(
    installation: Installation, steady: Target
) -> None:
    # Begin between the slots of any second in which a request was just seen, so that none lies on the edge.
    seen = len(steady.seen_at)
    since = wait_until(lambda: len(steady.seen_at) > seen and datetime.now(UTC))
    asked_before = sum(at < since.timestamp() for at in steady.seen_at)
    everything = family(installation.pid)

    began = time.monotonic()
    exit_status = installation.stop()

    assert exit_status == 0, installation.log.read_text()[-3000:]
    assert time.monotonic() - began < 10
    wait_until(lambda: not any(map(is_alive, everything)), "something outlived it")
    asked = len(steady.seen_at) - asked_before
    until = datetime.now(UTC)
    installation.start()
    stored = installation.query(
        "SELECT count(*) FROM watch_server_logs WHERE service_id LIKE 'steady-%%'"
        " AND checked_at + lateness_ms * interval '1 ms' >= %s AND checked_at < %s",
        since,
        until,
    )[0][0]
    assert stored >= asked - 1, "at most the one under way is a gap"


def status(installation: Installation, service_id: str) -> str:
    return str(installation.query("SELECT status FROM services WHERE id = %s", service_id)[0][0])


def row_of(installation: Installation, service_id: str) -> str:
    """Return the part of the public page about a service."""
    return installation.page().text.partition(f'id="service-{service_id}"')[2].partition("</li>")[0]


def false_outages(installation: Installation) -> list[tuple[object, ...]]:
    return installation.query("SELECT * FROM transitions WHERE service_id = 'healthy' AND to_status IN ('mo', 'po')")


def answers(question: Callable[[], bool]) -> bool:
    """Ask while the database may be away, which counts as no."""
    try:
        return question()
    except psycopg.OperationalError:
        return False


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
