"""Real targets on loopback, good and bad, in threads of the test process."""

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

STEADY = 30  # services that share one target


class Target(ThreadingHTTPServer):
    """Answers with `status`, which a test may change while it runs."""

    daemon_threads = True

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status = status
        self.headers_seen: list[dict[str, str]] = []
        self.seen_at: list[float] = []  # Unix seconds

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent about clients that hang up: those of the expired certificate do."""


class Answer(BaseHTTPRequestHandler):
    server: Target
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.headers_seen.append(dict(self.headers))
        self.server.seen_at.append(time.time())
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(target: Target) -> Iterator[str]:
    """Serve and yield the address as host:port."""
    thread = threading.Thread(target=target.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{target.server_port}"
    target.shutdown()
    target.server_close()


@contextmanager
def expired(authority: trustme.CA) -> Iterator[str]:
    """Serve TLS with a certificate that ended three days ago."""
    ended = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=3, hours=1)
    certificate = authority.issue_cert("localhost", not_after=ended, not_before=ended - datetime.timedelta(days=30))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    target = Target()
    target.socket = context.wrap_socket(target.socket, server_side=True, do_handshake_on_connect=False)
    with serving(target):
        yield f"localhost:{target.server_port}"


@contextmanager
def hanging() -> Iterator[str]:
    """Accept connections and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def refused() -> Iterator[str]:
    """Yield an address that is taken but not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def all_targets(authority: trustme.CA, switched: Target, steady: Target) -> Iterator[dict[str, str]]:
    """Yield the URL of each service of the end-to-end test by its id; `switched` is the one that changes."""
    with ExitStack() as stack:
        enter = stack.enter_context
        always = enter(serving(steady))
        yield {
            **{f"steady-{number}": f"http://{always}/{number}" for number in range(STEADY)},
            "healthy": f"http://{enter(serving(Target()))}/",
            "switched": f"http://{enter(serving(switched))}/",
            "broken": f"http://{enter(serving(Target(500)))}/",
            "hanging": f"http://{enter(hanging())}/",
            "refused": f"http://{enter(refused())}/",
            "nameless": "http://nowhere.invalid/",
            "expired": f"https://{enter(expired(authority))}/",
        }
