"""The embedded Redis, really run."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu.connection import Connection

from slamonitor.embedded import programs, standalone
from slamonitor.embedded.redis import EmbeddedRedis, celery_url, client_without_retries
from slamonitor.embedded.state_directory import EmbeddedError, StateDirectory

pytestmark = pytest.mark.processes


@pytest.fixture
def state() -> Iterator[StateDirectory]:
    with standalone.state_directory(None) as directory:
        yield directory


@contextlib.contextmanager
def started(state: StateDirectory) -> Iterator[tuple[EmbeddedRedis, "subprocess.Popen[bytes]"]]:
    server = EmbeddedRedis(state)
    server.prepare()
    with standalone.running(server.process(), log=server.folder / "redis.log") as child:
        yield server, child


def client(server: EmbeddedRedis) -> "redis.Redis":
    return redis.Redis.from_url(server.url, decode_responses=True)


def broker(server: EmbeddedRedis) -> Any:
    return Connection(celery_url(server.url))  # type: ignore[no-untyped-call]


def test_queue_survives_kill_9_and_a_torn_file(state: StateDirectory) -> None:
    with started(state) as (server, child):
        with client(server) as connection:
            connection.rpush("results", "a batch")
        child.send_signal(signal.SIGKILL)
        child.wait()
    with next((server.folder / "appendonlydir").glob("*.incr.aof")).open("ab") as file:
        file.write(b"*3\r\n$5\r\nRPUSH\r\n$7\r\nres")

    with started(state) as (server, _), client(server) as connection:
        assert connection.lrange("results", 0, -1) == ["a batch"]


def test_address_and_password_stay_the_same(state: StateDirectory) -> None:
    with started(state) as (server, _):
        first = server.url
    with started(state) as (server, _):
        assert server.url == first


def test_stranger_without_password_is_refused(state: StateDirectory) -> None:
    with (
        started(state) as (server, _),
        client_without_retries(f"redis://127.0.0.1:{server.port}") as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_password_is_among_no_arguments(state: StateDirectory) -> None:
    with started(state) as (server, _):
        assert server.password not in " ".join(server.process().command)
        assert (server.folder / "redis.conf").stat().st_mode & 0o777 == 0o600


def test_server_left_by_a_killed_up_is_ended_first(state: StateDirectory) -> None:
    with started(state) as (_, left), started(state) as (server, _):
        assert left.wait(60) is not None
        assert server.is_ready()


def test_taken_port_is_exchanged_for_another(state: StateDirectory) -> None:
    with started(state) as (server, _), standalone.state_directory(None) as other_state:
        other = EmbeddedRedis(other_state)
        other.port = server.port
        other.prepare()

        assert other.port != server.port


def test_celery_speaks_to_it(state: StateDirectory) -> None:
    with started(state) as (server, _), broker(server) as connection:
        connection.SimpleQueue("probes.test").put({"spec": 1})

        assert connection.SimpleQueue("probes.test").get(timeout=5).payload == {"spec": 1}


@pytest.mark.parametrize(
    ("redis_url", "expected"),
    [
        ("redis://:pw@127.0.0.1:6379/0", "redis://:pw@127.0.0.1:6379/0"),
        ("rediss://host/1", "rediss://host/1"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
        ("unix://user:pw@/run/redis.sock", "redis+socket://user:pw@/run/redis.sock?virtual_host=0"),
    ],
)
def test_url_is_translated_for_celery(redis_url: str, expected: str) -> None:
    assert celery_url(redis_url) == expected


@pytest.mark.parametrize("redis_url", ["", "http://x", "redis://", "unix://"])
def test_url_of_no_redis_is_refused(redis_url: str) -> None:
    with pytest.raises(ValueError, match="it "):
        celery_url(redis_url)


def test_old_redis_on_the_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=0:0 malloc=libc bits=64'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert programs.redis_version(old) == (5, 0)
    assert programs.find_redis() != old


def test_without_any_redis_the_error_names_the_remedies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_bundled_valkey", lambda: None)

    with pytest.raises(EmbeddedError, match=r"Install redis-server.*REDIS_URL"):
        programs.find_redis()
