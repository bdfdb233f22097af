"""The commands of the containers, run as processes against plain servers."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psutil
import pytest
import redis
from kombu import Connection

from slamonitor.celery import app
from slamonitor.embedded.redis import celery_url
from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.tests.apart.conftest import SECRETS, SERVICE_COUNT, Site, end
from slamonitor.tests.installation import free_port, wait_until

SECOND = timedelta(seconds=1)


def checks_since(site: Site, since: datetime) -> int:
    return int(site.query("SELECT count(*) FROM watch_server_logs WHERE checked_at >= %s", since)[0][0])


def wait_for_checks(site: Site, number: int = 3) -> None:
    """Wait until every service was checked so often from now on."""
    since = datetime.now(UTC)
    wait_until(lambda: checks_since(site, since) >= number * SERVICE_COUNT, site.logs)


def test_the_containers_commands_check_record_and_serve(site: Site) -> None:
    wait_for_checks(site)

    assert site.query("SELECT count(*) FROM watch_server_logs WHERE verdict <> 'ok' AND service_id LIKE 'steady%%'")[
        0
    ] == (0,)
    wait_until(lambda: "Steady 9" in site.get(**{"Accept-Language": "en"}).text)
    done = subprocess.run([sys.executable, "deploy/healthcheck.py", str(site.web_port)], cwd=CHECKOUT, check=False)
    assert done.returncode == 0
    wait_until(lambda: site.get("health").json()["status"] == "healthy", lambda: site.get("health").text)


def test_the_health_check_fails_where_nobody_answers() -> None:
    done = subprocess.run([sys.executable, "deploy/healthcheck.py", str(free_port())], cwd=CHECKOUT, check=False)

    assert done.returncode == 1


def test_the_doctor_finds_the_servers_sound(site: Site) -> None:
    said = site.run("worker", "doctor", "database", "durability", "migrations", "redis", "queues", "connections")

    assert "BAD" not in said and "WARN" not in said, said


def test_the_role_of_the_application_is_no_superuser(site: Site) -> None:
    assert site.query("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user") == [(False, True)]
    assert site.query("SHOW shared_buffers") == [("256MB",)]


PROBES_MAY_NOT = [
    "LRANGE results 0 -1",
    "RPOP results",
    "DEL results",
    "LPUSH dispatch x",
    "LPUSH alerts x",
    "HGETALL unacked",
    "SADD _kombu.binding.dispatch x",
    "MONITOR",
    "KEYS *",
    "CONFIG GET requirepass",
    "ACL LIST",
    "FLUSHALL",
    "EVALSHA 0123456789012345678901234567890123456789 1 results",
]


@pytest.mark.parametrize("command", PROBES_MAY_NOT)
def test_a_probe_worker_may_use_nothing_of_the_broker_but_its_queues(site: Site, command: str) -> None:
    password = site.services["redis"]["environment"]["REDIS_PROBE_PASSWORD"]
    with redis.Redis(port=site.servers.redis_port, username="probe", password=password) as client:
        client.llen("probes.default")

        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command.split())


def test_a_rolling_restart_of_everything_loses_and_doubles_no_check(site: Site) -> None:
    wait_for_checks(site)
    began = datetime.now(UTC)

    with visiting(site) as failures:
        for name, is_ready in READY.items():
            old = next(process for process in site.running if process.poll() is None and name in process.args)
            new = site.start({"engine": "worker"}.get(name, name))
            wait_until(lambda: is_ready(site, new), site.logs)  # noqa: B023  asked before the next turn
            assert end(old) == 0, f"{name}: {site.logs()}"
        wait_for_checks(site)
    until = datetime.now(UTC) - SECOND
    wait_until(lambda: gaps(site, began, until) == [], lambda: f"{gaps(site, began, until)} {site.logs()}")

    assert failures == []
    doubled = "SELECT service_id, measured_at FROM api_response_times GROUP BY 1, 2 HAVING count(*) > 1"
    assert site.query(doubled) == []
    checks = "SELECT count(*) FROM watch_server_logs WHERE service_id LIKE 'steady%%' AND checked_at BETWEEN %s AND %s"
    requests = checks.replace("watch_server_logs", "api_response_times").replace(
        "checked_at", "measured_at - interval '0.25 s'"
    )
    assert abs(site.query(checks, began, until)[0][0] - site.query(requests, began, until)[0][0]) <= SERVICE_COUNT
    assert site.query("SELECT * FROM transitions WHERE service_id LIKE 'steady%%' AND to_status IN ('po', 'mo')") == []


NOT_MESSAGES = [
    b"", b"\xff\x00", b"{", b"[]", b"null", b'"text"', b"{}", b'{"properties": 1}', b"[" * 9_999,
    b'{"body": 1, "headers": {"task": "monitoring.record"}, "properties": {"delivery_info": {}}}',
    b'{"body": "x", "content-type": "application/json", "headers": {"task": "monitoring.record", "id": "1"},'
    b' "properties": {"delivery_info": {"routing_key": "results"}, "delivery_tag": "1", "body_encoding": "base64"}}',
]  # fmt: skip
WRONG_ARGUMENTS: list[list[Any]] = [[], [7], [None], ["text"], [[]], [{}], [{"columns": 1}], [[], 1]]


def test_no_message_ends_a_process_that_reads_the_broker(site: Site, settings: Any) -> None:
    """Neither what is no message nor what we signed ourselves with arguments that make no sense."""
    settings.SECRETS_KEYS = [SECRETS["SECRETS_KEY"]]
    url = site.env("worker")["REDIS_URL"]
    with redis.Redis.from_url(url) as client, Connection(celery_url(url)) as broker:  # type: ignore[no-untyped-call]
        for queue in ("results", "dispatch", "alerts", "rollups", "probes.default"):
            client.lpush(queue, *NOT_MESSAGES)
        for arguments in WRONG_ARGUMENTS:
            for task, queue in (("record", "results"), ("worker_seen", "results"), ("probe", "probes.default")):
                app.send_task(f"monitoring.{task}", arguments, queue=queue, connection=broker)
        running = [process.pid for process in site.running if process.poll() is None]
        wait_until(lambda: not any(map(client.llen, ("results", "alerts", "rollups"))), site.logs)

    wait_for_checks(site)
    assert [process.pid for process in site.running if process.poll() is None] == running, site.logs()


def gaps(site: Site, since: datetime, until: datetime) -> list[tuple[object, ...]]:
    """Return the slots that nobody checked: what is not exactly a second after the one before."""
    return site.query(
        "SELECT service_id, checked_at FROM (SELECT service_id, checked_at,"
        " checked_at - lag(checked_at, 1, %s) OVER (PARTITION BY service_id ORDER BY checked_at) AS pause"
        " FROM watch_server_logs WHERE service_id LIKE 'steady%%' AND checked_at BETWEEN %s AND %s"
        " UNION ALL SELECT id, %s, %s - coalesce((SELECT max(checked_at) FROM watch_server_logs"
        " WHERE service_id = id AND checked_at <= %s), '-infinity') FROM services WHERE id LIKE 'steady%%') AS each"
        " WHERE pause > interval '1 s'",
        since,
        since,
        until,
        until,
        until,
        until,
    )


def has_stamped(site: Site, process: subprocess.Popen[bytes]) -> bool:
    """Say whether a worker was seen: its stamp came the whole way that results come."""
    found = site.query("SELECT count(*) FROM engine_workers WHERE name LIKE '%%' || ' ' || %s", str(process.pid))
    return bool(found[0][0])


def has_broker(site: Site, process: subprocess.Popen[bytes]) -> bool:
    """Say whether a process is connected to Redis; beat has no other sign of life than what it sends."""
    connections = psutil.Process(process.pid).net_connections("tcp")
    return any(each.raddr and each.raddr.port == site.servers.redis_port for each in connections)


def serves(site: Site, process: subprocess.Popen[bytes]) -> bool:
    """Say whether a web process listens; it shares the port with the old one."""
    connections = psutil.Process(process.pid).net_connections("tcp")
    return site.web_port in {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}


READY: dict[str, Callable[[Site, "subprocess.Popen[bytes]"], bool]] = {
    "dispatch": has_stamped,
    "engine": has_stamped,
    "probe": has_stamped,
    "beat": has_broker,
    "web": serves,
}


@contextmanager
def visiting(site: Site) -> Iterator[list[str]]:
    """Open the page again and again, each time on a new connection, and keep what went wrong."""
    failures: list[str] = []
    is_over = threading.Event()

    def visit() -> None:
        while not is_over.wait(0.05):
            try:
                status = site.get().status_code
                if status != 200:
                    failures.append(f"status {status}")
            except httpx.TransportError as error:
                failures.append(repr(error))

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield failures
    finally:
        is_over.set()
        thread.join(10)


TLS = {"HTTPS": "true", "TRUSTED_PROXIES": "1"}
HEADERS = {
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
OF_PAGES = {
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'",
    "permissions-policy": "camera=()",
}


@pytest.fixture(scope="module")
def behind_tls(site: Site) -> Iterator[Site]:
    """A second web process, as it runs behind a proxy that speaks TLS."""
    other = Site(site.folder, site.servers, site.services)
    process = other.start("web", **TLS)
    wait_until(lambda: _status(other, "health") in (200, 503), site.logs)
    yield other
    end(process)


def _status(site: Site, path: str) -> int:
    try:
        return site.get(path).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 200),
        ("?lang=xx", 200),
        ("services/steady-1/ledger", 200),
        ("admin/login/", 200),
        ("admin/", 302),
        ("nothing/here", 404),
        ("robots.txt", 200),
        ("health", 200),
    ],
)
def test_every_answer_in_production_has_its_headers(behind_tls: Site, path: str, status: int) -> None:
    wait_until(lambda: behind_tls.get("", **{"X-Forwarded-Proto": "https"}).status_code == 200)

    answer = behind_tls.get(path, **{"X-Forwarded-Proto": "https"})

    assert answer.status_code == status
    for name, value in {**HEADERS, **OF_PAGES}.items():
        assert value in answer.headers.get(name, ""), f"{name} of /{path}"


def test_files_of_the_admin_have_the_headers_that_concern_files(behind_tls: Site) -> None:
    answer = behind_tls.get("static/slamonitor/admin.css", **{"X-Forwarded-Proto": "https"})

    assert answer.status_code == 200
    assert [name for name, value in HEADERS.items() if value not in answer.headers.get(name, "")] == []


@pytest.mark.parametrize("path", ["", "admin/login/", "robots.txt"])
def test_requests_without_tls_are_redirected(behind_tls: Site, path: str) -> None:
    answer = behind_tls.get(path, Host="localhost")

    assert (answer.status_code, answer.headers["location"]) == (301, f"https://localhost/{path}")


def test_cookies_in_production_are_kept_from_scripts_and_plain_connections(behind_tls: Site) -> None:
    cookies = behind_tls.get("admin/login/", **{"X-Forwarded-Proto": "https"}).headers.get_list("set-cookie")

    assert cookies
    assert all("Secure" in cookie and "SameSite=Lax" in cookie for cookie in cookies), cookies


def test_a_foreign_name_is_refused(behind_tls: Site) -> None:
    assert behind_tls.get("", Host="evil.example", **{"X-Forwarded-Proto": "https"}).status_code == 400
