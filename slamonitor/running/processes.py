"""Describe the processes of an installation, with their options and the order in which they end.

They end in the order of a check's path: beat, then dispatch and the probe workers, which send their results, then the
engine, which stores them, and only then the page, Redis and PostgreSQL.
"""

import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

import redis

from slamonitor.embedded.redis import client_without_retries
from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.running.child import Process

ENGINE_QUEUES = "results,alerts,rollups"
ENGINE_PROCESSES = 3  # work on days and a backup may each take one for minutes; results cannot wait
# Workers would exchange messages about themselves, which nothing here reads.
WITHOUT_CHATTER = ("--without-gossip", "--without-mingle", "--without-heartbeat")


class Stage(IntEnum):
    """The order in which processes end."""

    BEAT = 0
    PROBES = 1
    ENGINE = 2
    REDIS = 3
    POSTGRES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of this `up`."""

    host: str
    port: int
    workers: int  # probe workers; each is one event loop, which keeps about one core busy
    region: str = "default"


def server(process: Process, stage: Stage) -> Process:
    """Return an embedded server with its stage in the order of ending."""
    return replace(process, stop_stage=stage, stop_timeout_s=0.5)


def manage(env: Mapping[str, str], *arguments: str) -> Process:
    """Describe a `manage.py` command that runs to its end."""
    return Process(
        name=arguments[0], command=(sys.executable, "manage.py", *arguments), env=env, cwd=CHECKOUT, stop_timeout_s=2.0
    )


def web(env: Mapping[str, str], options: Options) -> Process:
    """Describe the web server; one process, so that the page's read-model is kept once."""
    return Process(
        name="web",
        command=(
            sys.executable,
            "-m",
            "slamonitor.web",
            "--host",
            options.host,
            "--port",
            str(options.port),
        ),
        env=env,
        cwd=CHECKOUT,
        ready=lambda: _accepts(options.host, options.port),
        lives_at=(_reached_at(options.host), options.port),
        raise_file_limit=True,
        stop_stage=Stage.ENGINE,
    )


def targets(env: Mapping[str, str], port: int, zone: str) -> Process:
    """Describe the server that the demonstration measures; it outlives the probes."""
    return Process(
        name="targets",
        command=(sys.executable, "-m", "slamonitor.demo.targets", str(port), zone),
        env=env,
        cwd=CHECKOUT,
        ready=lambda: _accepts("127.0.0.1", port),
        stop_stage=Stage.ENGINE,
    )


def probe_worker(env: Mapping[str, str], options: Options, number: int) -> Process:
    """Describe a worker that measures and needs no database."""
    return Process(
        name=f"probe{number}",
        command=(
            *_worker(f"probe{number}", f"probes.{options.region}"),
            "--pool",
            "threads",
            "--concurrency",
            "4",
            *WITHOUT_CHATTER,
        ),
        env=_worker_env(env),
        cwd=CHECKOUT,
        raise_file_limit=True,
        stop_stage=Stage.PROBES,
        stop_timeout_s=2.5,
    )


def dispatcher(env: Mapping[str, str]) -> Process:
    """Describe the worker that only dispatches slots, so that no other work can delay it."""
    return Process(
        name="dispatch",
        # Ticks follow each other, so one process is enough, and the worker itself runs them.
        command=(*_worker("dispatch", "dispatch"), "--pool", "solo", *WITHOUT_CHATTER),
        env=_worker_env(env),
        cwd=CHECKOUT,
        stop_stage=Stage.PROBES,  # once beat has ended, there is nothing to dispatch
        stop_timeout_s=2.5,  # Celery looks for a signal only between two reads of the broker, a second each
    )


def engine_worker(env: Mapping[str, str], drained: Callable[[], bool] | None) -> Process:
    """Describe the worker that records, notifies and accounts. It is stopped once all results are stored."""
    return Process(
        name="engine",
        command=(
            *_worker("engine", ENGINE_QUEUES),
            "--pool",
            "prefork",
            "--concurrency",
            str(ENGINE_PROCESSES),
            "-O",
            "fair",
            *WITHOUT_CHATTER,
        ),
        env=_worker_env(env),
        cwd=CHECKOUT,
        stop_stage=Stage.ENGINE,
        stop_timeout_s=3.5,  # an idle prefork pool takes 2 to 2.6 s, all of it waiting inside Celery
        drained=drained,
        drain_timeout_s=1.5,
    )


def beat(env: Mapping[str, str]) -> Process:
    """Describe beat. Its timetable is in memory (`slamonitor/celery.py`), so no file is left behind."""
    return Process(
        name="beat",
        command=(*_celery(), "beat"),
        env=env,
        cwd=CHECKOUT,
        stop_stage=Stage.BEAT,
        # Beat has no state and no work to finish, and on a busy machine it takes a second to react to SIGTERM.
        stop_signal=signal.SIGKILL,
        stop_timeout_s=1.0,
    )


def is_of_engine(process: Process) -> bool:
    """Return whether a process measures or records, unlike the page and the servers."""
    return process.stop_stage <= Stage.ENGINE and process.name not in ("web", "targets")


def results_stored(redis_url: str) -> Callable[[], bool]:
    """Return a function that returns whether the queue of results is empty, or Redis does not answer."""
    client = client_without_retries(redis_url)

    def is_empty() -> bool:
        try:
            return not client.llen("results")
        except redis.RedisError:
            return True

    return is_empty


def program(name: str) -> str:
    """Return a program of this virtual environment."""
    return str(Path(sys.executable).with_name(name))


def _worker_env(env: Mapping[str, str]) -> dict[str, str]:
    """Suppress Celery's warning about running as root: it concerns pickled messages, and ours are JSON."""
    quiet = "ignore:You're running the worker with superuser privileges"
    return {**env, "PYTHONWARNINGS": ",".join(filter(None, (env.get("PYTHONWARNINGS"), quiet)))}


def _worker(name: str, queues: str) -> tuple[str, ...]:
    return (*_celery(), "worker", "--hostname", f"{name}@%h", "--queues", queues, "--prefetch-multiplier", "1")


def _celery() -> tuple[str, ...]:
    return (program("celery"), "--quiet", "--app", "slamonitor")


def _accepts(host: str, port: int) -> bool:
    """Return whether a TCP connection succeeds."""
    try:
        with socket.create_connection((_reached_at(host), port), timeout=1):
            return True
    except OSError:
        return False


def _reached_at(host: str) -> str:
    """Return the address at which a listener can be reached; for a wildcard, the loopback address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
