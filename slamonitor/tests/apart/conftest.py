"""An installation of separate processes, by the commands of docker-compose.yml; no supervisor, no state directory."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.tests import compose
from slamonitor.tests.apart import servers
from slamonitor.tests.apart.servers import Servers
from slamonitor.tests.installation import PATIENCE_S, free_port, wait_until
from slamonitor.tests.targets import Target, serving

SECRETS = {
    "DB_PASSWORD": 'a pass\'word of the "database"',  # which must not need to be harmless
    "REDIS_PASSWORD": "redispassword0123456789",
    "REDIS_PROBE_PASSWORD": "probepassword0123456789",
    "SECRET_KEY": "for-tests-only: signs what the web process hands out in cookies",
    "SECRETS_KEY": "for-tests-only: seals what probes must know and nobody else",
}
SERVICE_COUNT = 10
SERVICE = (
    "- {{id: steady-{n}, name: Steady {n}, endpoint_url: 'http://{address}/{n}', check_interval: 1000, timeout: 900}}"
)


@dataclass
class Site:
    """The processes of one installation, each started and ended by itself."""

    folder: Path
    servers: Servers
    services: Mapping[str, dict[str, Any]]
    web_port: int = field(default_factory=free_port)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def env(self, service: str, **changes: str) -> dict[str, str]:
        """Return what a container is given, with this machine's ports in it, and nothing else of ours."""
        given = {name: str(value) for name, value in self.services[service]["environment"].items()}
        ports = {"DB_HOST": "127.0.0.1", "DB_PORT": str(self.servers.db_port)} if "DB_HOST" in given else {}
        given["REDIS_URL"] = given["REDIS_URL"].replace("@redis:6379", f"@127.0.0.1:{self.servers.redis_port}")
        # Of this run alone: what lies in the folder of the container would be added up.
        ports |= {"METRICS_DIR": str(self.folder / "metrics")} if "METRICS_DIR" in given else {}
        image = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SLAMONITOR_STATE_DIR": "/nonexistent"}
        return {**image, **given, **ports, "PYTHONDONTWRITEBYTECODE": "1", **changes}

    def start(self, service: str, **changes: str) -> subprocess.Popen[bytes]:
        """Start the command of a service as its container would."""
        command = [str(part).replace("8000", str(self.web_port)) for part in self.services[service]["command"]]
        with self.log(service).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *command],
                cwd=CHECKOUT,
                env=self.env(service, **changes),
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    def run(self, service: str, *arguments: str, text: str = "", **changes: str) -> str:
        """Run a command to its end in the environment of a service and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments] if service != "migrate" else ["sh", "-c", *arguments],
            input=text, text=True, cwd=CHECKOUT, env=self.env(service, **changes), capture_output=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self, service: str) -> Path:
        return self.folder / f"{service}.log"

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        env = self.services["worker"]["environment"]
        with psycopg.connect(
            host="127.0.0.1",
            port=self.servers.db_port,
            dbname=env["DB_NAME"],
            user=env["DB_USER"],
            password=env["DB_PASSWORD"],
        ) as connection:
            return connection.execute(sql, parameters or None).fetchall()

    def get(self, path: str = "", **headers: str) -> httpx.Response:
        return httpx.get(
            f"http://127.0.0.1:{self.web_port}/{path}", headers=headers, trust_env=False, timeout=PATIENCE_S
        )

    def is_served(self) -> bool:
        try:
            return self.get().status_code == 200
        except httpx.TransportError:
            return False

    def logs(self) -> str:
        return "\n".join(
            f"{path.name}: {path.read_text(errors='replace')[-3000:]}" for path in self.folder.glob("*.log")
        )


def end(process: subprocess.Popen[bytes], within_s: float = PATIENCE_S) -> int:
    """Ask a process to end, as the engine of containers does, and return its exit status."""
    process.send_signal(signal.SIGTERM)
    return process.wait(within_s)


@pytest.fixture(scope="session")
def plain_servers() -> Iterator[Servers]:
    with servers.running(compose.services(SECRETS)) as found:
        print(f"\nprocesses apart run against {found}")
        yield found


@pytest.fixture(scope="session")
def site(plain_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Migrate, then start every process; services that are checked each second are there from the beginning."""
    site = Site(tmp_path_factory.mktemp("apart"), plain_servers, compose.services(SECRETS))
    with serving(Target()) as address, contextlib.ExitStack() as stack:
        stack.callback(lambda: [kill(process) for process in site.running])
        said = site.run("migrate", site.services["migrate"]["command"][0])
        assert re.search(r"password +([a-z2-9]{4}-){3}", said), said
        site.run("worker", "sync_services", "-", text=services_file(address))
        for name in ("web", "worker", "dispatch", "probe", "beat"):
            site.start(name)
        wait_until(site.is_served, site.logs)
        yield site


def services_file(address: str) -> str:
    lines = [SERVICE.format(n=number, address=address) for number in range(SERVICE_COUNT)]
    return "\n".join(["services:", *lines])


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
    if process.poll() is None:
        process.kill()
        process.wait()
