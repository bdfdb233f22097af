"""The decisions of `manage.py up` around starting processes; the end-to-end test starts them all."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from slamonitor.embedded.redis import EmbeddedRedis, client_without_retries
from slamonitor.embedded.state_directory import CHECKOUT, StateDirectory, read_env
from slamonitor.management.commands.first_run import _box
from slamonitor.management.commands.up import (
    MAKE_GOAL,
    PASSWORDS,
    again,
    free_port,
    given_database_url,
    given_settings,
    require_free_port,
    start_servers,
)
from slamonitor.running import processes
from slamonitor.running.processes import Options
from slamonitor.seeding import password_lines

pytestmark = pytest.mark.processes

GIVEN = {"host": "127.0.0.1", "workers": 1, "rezone": False, "demo": False, "state_dir": None}
OPTIONS = Options(host="127.0.0.1", port=8000, workers=1)
PARTS = {"DB_PASSWORD": "p@ss", "DB_HOST": "db"}


def test_taken_port_is_refused_with_a_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(CommandError, match=rf"port {port}.*in use.*Nothing was started.*manage.py up --port \d+$"):
            require_free_port(replace(OPTIONS, port=port), again(GIVEN))


@pytest.mark.parametrize(
    ("goal", "options", "line"),
    [
        ("", {}, "manage.py up --port 8001"),
        ("run", {"workers": 2, "rezone": True}, "make run ARGS='--port 8001 --workers 2 --rezone'"),
        ("demo", {"demo": True, "state_dir": "var/demo"}, "make demo ARGS='--port 8001'"),
        ("demo", {"demo": True, "state_dir": "/a b"}, """make demo ARGS='--port 8001 --state-dir '"'"'/a b'"'"''"""),
        ("", {"demo": True, "state_dir": "var/demo"}, "manage.py up --port 8001 --state-dir var/demo --demo"),
    ],
)
def test_advice_for_another_port_repeats_what_was_entered(
    goal: str, options: dict[str, Any], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MAKE_GOAL, goal)
    monkeypatch.chdir(CHECKOUT)

    assert again({**GIVEN, **options})(8001) == line


def test_lines_with_passwords_are_recognized() -> None:
    lines = [*_box("b85w-7anz").splitlines(), *password_lines({"viewer": "k22n-7g2s"})]

    assert [line for line in lines if not PASSWORDS.match(line)] == []
    assert not PASSWORDS.match("Monitoring the status page every 10 s at http://localhost:8000/health")


def test_targets_of_the_demonstration_step_aside_for_a_taken_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert free_port(port) != port
    assert free_port(port) == port
    assert free_port(65_536) < 65_536


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 99_999), ("192.0.2.1", 8000)])
def test_impossible_address_is_refused_with_a_remedy(host: str, port: int) -> None:
    with pytest.raises(CommandError, match=r"Cannot listen.*--(port|host)"):
        require_free_port(replace(OPTIONS, host=host, port=port), again({**GIVEN, "host": host}))


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, None),
        ({"DATABASE_URL": "postgresql://db/x", **PARTS}, "postgresql://db/x"),
        (PARTS, "postgresql://sla_monitor:p%40ss@db:5432/sla_monitor"),
    ],
)
def test_database_is_named_by_url_or_parts(given: dict[str, str], url: str | None) -> None:
    assert given_database_url(given) == url


def test_servers_of_the_environment_are_used_and_named_in_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:pw@db:6000/sla")
    monkeypatch.setenv("REDIS_URL", "redis://cache/0")
    monkeypatch.setenv("SECRET_KEY", "")
    nobody: Any = None  # starts nothing, so needs no supervisor

    env = start_servers(nobody, StateDirectory(tmp_path))

    assert (env["DATABASE_URL"], env["REDIS_URL"]) == ("postgresql://me:pw@db:6000/sla", "redis://cache/0")
    assert len(env["SECRET_KEY"]) >= 50
    kept = read_env(tmp_path)
    assert (kept["PGHOST"], kept["PGPORT"], kept["SECRET_KEY"]) == ("db", "6000", env["SECRET_KEY"])


def test_servers_may_be_named_by_files(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://db/x\n")

    given = given_settings({"DATABASE_URL_FILE": str(tmp_path / "url"), "LANG": "C", "EMPTY": ""})

    assert given == {"DATABASE_URL": "postgresql://db/x", "LANG": "C"}
    with pytest.raises(CommandError, match=r"SECRET_KEY_FILE: .* cannot be read"):
        given_settings({"SECRET_KEY_FILE": str(tmp_path / "gone")})


def test_processes_end_in_the_order_of_a_check() -> None:
    stages = [
        processes.beat({}).stop_stage,
        processes.probe_worker({}, OPTIONS, 1).stop_stage,
        processes.engine_worker({}, None).stop_stage,
        processes.Stage.REDIS,
        processes.Stage.POSTGRES,
    ]

    assert stages == sorted(set(stages))
    assert processes.dispatcher({}).stop_stage == stages[1]


def test_stages_leave_the_database_time_to_write_its_checkpoint() -> None:
    engine = processes.engine_worker({}, lambda: True)
    others_s = [
        processes.beat({}).stop_timeout_s,
        max(processes.dispatcher({}).stop_timeout_s, processes.probe_worker({}, OPTIONS, 1).stop_timeout_s),
        engine.drain_timeout_s,
        max(engine.stop_timeout_s, processes.web({}, OPTIONS).stop_timeout_s),
        processes.server(engine, processes.Stage.REDIS).stop_timeout_s,
    ]

    assert sum(others_s) <= 9.0


def test_results_are_stored_when_their_queue_is_empty_or_gone() -> None:
    with EmbeddedRedis.running() as url:
        is_stored = processes.results_stored(url)
        with client_without_retries(url) as client:
            client.rpush("results", "a batch")
            assert not is_stored()
            client.delete("results")
        assert is_stored()

    assert is_stored(), "a Redis that is gone has nothing to wait for"


def test_second_up_on_a_state_directory_starts_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "up", "--state-dir", str(tmp_path)]

    with StateDirectory(tmp_path).lock():
        shown = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert shown.returncode == 1
    assert f"process {os.getpid()}" in shown.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock"]
