"""Clients that occupy the web process (half requests, silence, slow requests), and a suspended web process.

Meanwhile a visitor, a load balancer and a job make requests, each on a new connection.
"""

import itertools
import signal
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlencode, urlsplit

import httpx

from bench.faults.fault import Fault
from bench.faults.stage import Stage
from slamonitor.running.child import raise_file_limit

WITHIN_MS = 100.0
CLOSED_WITHIN_S = 30.0
BACK_WITHIN_S = 30.0  # ten of silence, and a start
HALF = (
    b"POST /heartbeat/nonsense HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n",
    b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nusername=",
    b"POST /api/browser_errors HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n{",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
)
FORM = {"Content_Type": "application/x-www-form-urlencoded"}
HALF_OF_EACH, SILENT = 20, 1_100
GREEDY = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n" * 600,
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" * 600,
    b"POST /api/v1/services HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 9_000,
)
FRONT, BACK = "slamonitor.web --", "slamonitor.web.back"  # in command lines
# In turn, so that none reports twice within a second, which no real job does.
JOBS, VISITED_EVERY_S = 5, 0.2
JOB = "- {{id: job-{0}, name: job-{0}, check: {{kind: heartbeat, period: 3600}}}}"


class Visits:
    """The results of the visits to each URL."""

    def __init__(self) -> None:
        self.took_ms: defaultdict[str, list[float]] = defaultdict(list)
        self.failures: list[str] = []

    def words(self) -> str:
        """Return the worst of twenty for each URL. Raises AssertionError if one is too slow, or failed."""
        assert not self.failures, f"{len(self.failures)} visits failed: {self.failures[0]}"
        slow = {name: sorted(took)[-1 - len(took) // 20] for name, took in self.took_ms.items()}
        said = ", ".join(f"{name} {took:.0f} ms" for name, took in slow.items())
        assert all(took <= WITHIN_MS for took in slow.values()), f"p95: {said}"
        return f"{sum(map(len, self.took_ms.values()))} visits answered, p95: {said}"


@contextmanager
def visiting(stage: Stage) -> Iterator[Visits]:
    """Visit the page and `/livez`, and report as a job, continuously."""
    manage = stage.installation.manage
    manage("sync_services", "-", text="\n".join(["services:", *(JOB.format(number) for number in range(JOBS))]))
    urls = [manage("heartbeat_url", "--rotate", f"job-{number}").split()[-1] for number in range(JOBS)]
    visits, is_over = Visits(), threading.Event()
    paths = itertools.cycle([urlsplit(url).path for url in urls])
    thread = threading.Thread(target=_visit, args=(stage.installation.port, paths, visits, is_over))
    thread.start()
    try:
        yield visits
    finally:
        is_over.set()
        thread.join()


def _visit(port: int, heartbeats: Iterator[str], visits: Visits, is_over: threading.Event) -> None:
    with httpx.Client(trust_env=False, timeout=10, headers={"Connection": "close"}) as client:
        while not is_over.wait(VISITED_EVERY_S):
            addresses = {"page": ("GET", "/"), "livez": ("GET", "/livez"), "heartbeat": ("POST", next(heartbeats))}
            for name, (method, path) in addresses.items():
                began = time.perf_counter()
                try:
                    answer = client.request(method, f"http://127.0.0.1:{port}{path}")
                    if answer.status_code != 200:
                        visits.failures.append(f"{name} {answer.status_code}")
                except httpx.TransportError as error:
                    visits.failures.append(f"{name} {error!r}")
                visits.took_ms[name].append((time.perf_counter() - began) * 1000)


def _hold(stack: ExitStack, port: int, number: int, said: bytes = b"") -> list[socket.socket]:
    held = []
    for _ in range(number):
        held.append(stack.enter_context(socket.create_connection(("127.0.0.1", port))))
        held[-1].sendall(said)
    return held


def open_sockets(stage: Stage) -> str:
    with visiting(stage) as visits, ExitStack() as stack:
        for said in HALF:
            _hold(stack, stage.installation.port, HALF_OF_EACH, said)
        time.sleep(stage.fault_s)
    return f"{len(HALF) * HALF_OF_EACH} held, {visits.words()}"


def silent_connections(stage: Stage) -> str:
    raise_file_limit()
    with visiting(stage) as visits, ExitStack() as stack:
        began = time.monotonic()
        held = _hold(stack, stage.installation.port, SILENT)
        for each in held:
            each.settimeout(max(0.1, began + CLOSED_WITHIN_S - time.monotonic()))
            assert _is_closed(each), f"a silent connection is open after {CLOSED_WITHIN_S:g} s"
        took_s = time.monotonic() - began
    return f"{SILENT} closed within {took_s:.0f} s, {visits.words()}"


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def greedy_clients(stage: Stage) -> str:
    """Send hundreds of requests, or thousands of tiny chunks, in one piece on many connections; read no answer."""
    sent = 0
    with visiting(stage) as visits:
        until = time.monotonic() + stage.fault_s
        while time.monotonic() < until:
            with ExitStack() as stack:
                for said in GREEDY:
                    with suppress(ConnectionError):  # closed while we are still sending
                        sent += len(_hold(stack, stage.installation.port, HALF_OF_EACH, said))
            time.sleep(1.0)
    return f"{sent} greedy connections, {visits.words()}"


def slow_requests(stage: Stage) -> str:
    """Request ledgers of 400 days, sign-ins, health checks and long headers, twenty of each at once."""
    port = stage.installation.port
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        client.get("/admin/login/")
        token = client.cookies["csrftoken"]
    form = urlencode({"username": "nobody", "password": "wrong", "csrfmiddlewaretoken": token})
    today = datetime.now(UTC).date()
    asks = [
        _request(f"GET /services/steady-0000/ledger?from={today - timedelta(days=399)}&to={today}"),
        _request("POST /admin/login/", form, Cookie=f"csrftoken={token}", **FORM),
        _request("GET /health"),
        _request("GET /api/v1/services", Accept="a/b," * 97_500),
    ]
    answers = Counter[str]()
    with visiting(stage) as visits:
        until = time.monotonic() + stage.fault_s
        threads = [threading.Thread(target=_ask, args=(port, ask, until, answers)) for ask in asks for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    said = ", ".join(f"{number} times {status}" for status, number in sorted(answers.items()))
    asked = f"{len(threads)} at once ({said})"
    try:
        return f"{asked}, {visits.words()}"
    except AssertionError as error:
        raise AssertionError(f"{asked}: {error}") from None


def _request(line: str, body: str = "", **headers: str) -> bytes:
    named = {"Host": "localhost", "Connection": "close", "Content-Length": str(len(body)), **headers}
    return "\r\n".join(
        [f"{line} HTTP/1.1", *(f"{k.replace('_', '-')}: {v}" for k, v in named.items()), "", body]
    ).encode()


def _ask(port: int, request: bytes, until: float, answers: Counter[str]) -> None:
    """Request again and again, at next to no cost to this process, which also runs the visitor."""
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(request)
                answer = connection.recv(65_536)
                while connection.recv(1_048_576):
                    pass
            answers[answer[9:12].decode()] += 1
        except OSError:
            answers["closed"] += 1  # refused while it was still sending
        time.sleep(0.1)


def stopped_back(stage: Stage) -> str:
    """Stop the back process during requests, and kill the next one."""
    port, answers = stage.installation.port, Counter[str]()
    paths = ("/services/steady-0000/ledger", "/health", "/api/v1/services", "/admin/")
    asks = [_request(f"GET {path}") for path in paths]
    with visiting(stage) as visits:
        until = time.monotonic() + stage.fault_s
        stopped = stage.kill(BACK, signal.SIGSTOP)
        threads = [threading.Thread(target=_ask, args=(port, ask, until, answers)) for ask in asks for _ in range(20)]
        for thread in threads:
            thread.start()
        stage.wait(lambda: set(stage.installation.processes(BACK)) - {stopped}, "the back process is not replaced")
        stage.wait(lambda: stage.installation.page("health").status_code == 200, "no answer of the new back process")
        stage.kill(BACK)
        for thread in threads:
            thread.join()
        stage.wait(lambda: stage.installation.page("health").status_code == 200, "/health does not come back")
    said = ", ".join(f"{number} times {status}" for status, number in sorted(answers.items()))
    return f"{len(threads)} at once ({said}), {visits.words()}"


def stopped_web(stage: Stage) -> str:
    stage.kill(FRONT, signal.SIGSTOP)
    began = time.monotonic()
    stage.wait(lambda: stage.installation.page().status_code == 200, "the page does not come back")
    took_s = time.monotonic() - began
    assert took_s <= BACK_WITHIN_S, f"page after {took_s:.1f} s"
    return f"page after {took_s:.1f} s"


def _fault(name: str, strike: Callable[[Stage], str], promise: str = "") -> Fault:
    otherwise = "page, `/livez` and heartbeats are answered, 95 % of them within 100 ms; no slot missing"
    return Fault(name=name, promise=promise or otherwise, strike=partial(strike))


FAULTS = [
    _fault("open sockets: half requests", open_sockets),
    _fault("silent connections", silent_connections),
    _fault("greedy clients: a crowd of requests in one piece", greedy_clients),
    _fault("slow requests", slow_requests),
    _fault("back process of the web stopped, then killed", stopped_back),
    _fault("web process stopped (SIGSTOP)", stopped_web, "`up` notices within 10 s and starts it again"),
]
