"""A whole installation: one id shows the whole way, every line is JSON, and no secret is left behind anywhere."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from observability.tests.test_masking import PLANTED
from slamonitor.embedded.programs import find_postgres
from slamonitor.embedded.state_directory import read_env
from slamonitor.tests.installation import PATIENCE_S, Installation, wait_until
from slamonitor.tests.metric_rules import complaints, promtools_complaints
from slamonitor.tests.targets import Target, serving

pytestmark = pytest.mark.processes

TRACE = "0af7651916cd43dd8448eb211c80319c"
SERVICES = """services:
- {{id: payments, name: payments, endpoint_url: 'http://{target}/', check_interval: 1000, timeout: 900}}
- {{id: leaking, name: leaking, endpoint_url: 'http://{leak}/0', check_interval: 1000, timeout: 900}}
- {{id: job, name: job, check: {{kind: heartbeat, period: 3600}}}}
"""


class Leak(BaseHTTPRequestHandler):
    """Leads from one address to the next, each with a secret in it, and tells one in the end."""

    def do_GET(self) -> None:
        secrets = [secret for _text, secret in PLANTED.values()]
        hop = int(self.path.strip("/").partition("/")[0].partition("?")[0])
        self.send_response(302 if hop < 4 else 500, "Bearer planted0123456789abcdef")
        texts = [quote(text, safe=":/@=&-_. ").replace(" ", "%20") for text, _secret in PLANTED.values()]
        self.send_header("Location", f"/{hop + 1}?token={quote(secrets[hop])}&b={texts[hop]}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def target() -> Target:
    return Target()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, target: Target) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    folder.chmod(0o755)
    leak = Target()
    leak.RequestHandlerClass = Leak
    with (
        serving(target) as address,
        serving(leak) as leaking,
        Installation(folder, LOG_LEVEL="DEBUG") as installation,
    ):
        installation.manage("sync_services", "-", text=SERVICES.format(target=address, leak=leaking))
        yield installation


def lines(installation: Installation) -> list[dict[str, Any]]:
    """Return what it has logged; the last line may be half written."""
    return [json.loads(line) for line in installation.log.read_text().splitlines()[:-1]]


def of_trace(installation: Installation, trace_id: str) -> list[tuple[str, str]]:
    return [(line["process"], line["message"]) for line in lines(installation) if line["trace_id"] == trace_id]


def test_one_id_shows_the_whole_way_of_a_check(installation: Installation, target: Target) -> None:
    wait_until(lambda: statuses(installation) == {"payments": "o"}, installation.log.read_text)
    target.status = 503
    wait_until(lambda: statuses(installation) == {"payments": "mo"}, installation.log.read_text)

    trace_id = installation.query(
        "SELECT evidence->>'trace_id' FROM transitions WHERE service_id = 'payments' ORDER BY id DESC LIMIT 1"
    )[0][0]
    way = {("probe1", "check failed"), ("engine", "check created"), ("engine", "transition created")}
    wait_until(lambda: way <= set(of_trace(installation, trace_id)), lambda: f"{of_trace(installation, trace_id)}")
    asked = [headers["traceparent"] for headers in target.headers_seen if headers["X-Trace-Id"] == trace_id]
    assert len(asked) == 1 and re.fullmatch(rf"00-{trace_id}-[0-9a-f]{{16}}-01", asked[0])


def test_one_id_shows_the_whole_way_of_a_request(installation: Installation) -> None:
    url = installation.manage("heartbeat_url", "job").split()[-1]
    path = httpx.URL(url).path.lstrip("/")

    given = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Job-Id": "nightly-7", "X-Project-Id": "acme"}
    answer = httpx.post(
        f"http://127.0.0.1:{installation.port}/{path}", headers=given, trust_env=False, timeout=PATIENCE_S
    )
    assert answer.status_code == 200, answer.text

    def way() -> set[tuple[str, str]]:
        return set(of_trace(installation, TRACE))

    wanted = {("web", "request answered"), ("engine", "job started"), ("engine", "job completed")}
    wait_until(lambda: wanted <= way(), installation.log.read_text)
    jobs = [line for line in lines(installation) if line["trace_id"] == TRACE and line["process"] == "engine"]
    assert {(line["job_id"], line["project_id"]) for line in jobs} == {("nightly-7", "acme")}
    assert path.rpartition("/")[2] not in installation.log.read_text(), "the token of a heartbeat is a secret"


def test_head_is_answered_without_a_body(installation: Installation) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{installation.port}", trust_env=False, timeout=PATIENCE_S) as client:
        head, get = client.head("/api/v1/services"), client.get("/api/v1/services")  # over one connection

    assert (head.status_code, head.content) == (401, b"")
    assert get.json()["error"]["code"] == "NOT_AUTHENTICATED"
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_every_process_writes_the_same_form(installation: Installation) -> None:
    found = lines(installation)

    assert len({tuple(line) for line in found}) == 1, "all lines have the same names in the same order"
    wanted = {"up", "web", "engine", "dispatch", "probe1", "beat", "postgres", "redis"}
    wait_until(lambda: wanted <= {line["process"] for line in lines(installation)})


def samples(installation: Installation) -> dict[tuple[str, ...], float]:
    """Return the values of all metrics by name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(installation.page("metrics").text)
        for sample in family.samples
    }


def test_figures_are_those_of_all_processes(installation: Installation) -> None:
    installation.page("nowhere")
    installation.page()

    # The engine counts checks, and the web shows them.
    wait_until(lambda: samples(installation).get(("slamonitor_checks_total", "ok"), 0) > 0)
    found = samples(installation)
    assert found["slamonitor_metrics_shared",] == 1
    assert {role: found["slamonitor_workers", role] for role in ("probe", "engine", "dispatch")} == {
        "probe": 1,
        "engine": 1,
        "dispatch": 1,
    }
    assert found["slamonitor_collector_up", "queues"] == 1
    assert found["slamonitor_page_visits_total", "en", "200"] > 0, "answered ahead of what counts the others"
    text = installation.page("metrics").text
    assert complaints(text) == [] and not promtools_complaints(text)
    by_status = [value for name, value in found.items() if name[0] == "slamonitor_http_requests_total"]
    assert sum(by_status) > 0


def test_no_planted_secret_is_in_the_log_or_in_a_dump(installation: Installation) -> None:
    """Secrets come in by headers, addresses and bodies of requests, by messages of jobs, and by what targets say."""
    url = installation.manage("heartbeat_url", "--rotate", "job").split()[-1]
    base = f"http://127.0.0.1:{installation.port}"
    with httpx.Client(base_url=base, trust_env=False, timeout=PATIENCE_S) as client:
        for text, secret in PLANTED.values():
            words = text.replace("\n", " ")
            client.post(f"{httpx.URL(url).path}/fail", content=text)
            client.get("/api/nowhere", params={"token": secret, "q": text}, headers={"X-Trace-Id": words[:100]})
            client.get("/health", headers={"Authorization": words, "Cookie": f"a={words}", "X-Job-Id": words})
            client.post("/api/nowhere", json={"password": secret, "text": text}, headers={"Idempotency-Key": "k"})
    wait_until(lambda: count(installation, "leaking") >= 2, installation.log.read_text)

    dump, log = dumped(installation), installation.log.read_text()

    assert "leaking" in dump and "/api/nowhere" in log, "there is something to be found"
    for name, (_text, secret) in PLANTED.items():
        assert secret not in log and json.dumps(secret)[1:-1] not in log, f"{name} is in the log"
        assert secret not in dump and secret.replace("\n", "\\n") not in dump, f"{name} is in the database"


def test_failures_of_what_observes_fail_nothing(tmp_path: Path) -> None:
    """The log's reader stops, the metrics directory is a file, and Redis is killed."""
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("no directory")
    with Installation(tmp_path, METRICS_DIR=str(tmp_path / "file")) as installation:
        for pid in installation.processes("valkey-server|redis-server"):
            os.kill(pid, signal.SIGKILL)
        assert installation.page().status_code == 200
        assert installation.page("api/nowhere").json()["error"]["code"] == "NOT_FOUND"
        assert "slamonitor_metrics_shared 0.0" in installation.page("metrics").text


def statuses(installation: Installation) -> dict[str, str]:
    rows = installation.query("SELECT id, status FROM services WHERE id = 'payments'")
    return {id: status for id, status in rows}


def count(installation: Installation, service_id: str) -> int:
    return int(installation.query("SELECT count(*) FROM watch_server_logs WHERE service_id = %s", service_id)[0][0])


def dumped(installation: Installation) -> str:
    program = find_postgres() / "bin" / "pg_dump"
    env = {**os.environ, **read_env(installation.state)}
    done = subprocess.run([program, "--inserts"], env=env, capture_output=True, text=True, check=True)
    return done.stdout
