"""Check containers and units without a container engine: their form, and the rules that matter to us.

That the commands in them work is tested by running them (`slamonitor/tests/apart/`).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slamonitor.embedded.programs import find_postgres, postgres_major
from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.tests import compose

UNITS = CHECKOUT / "deploy" / "systemd"
NAMES = ("DB_PASSWORD", "REDIS_PASSWORD", "REDIS_PROBE_PASSWORD", "SECRET_KEY", "SECRETS_KEY")
SECRETS = {name: name.lower() * 4 for name in NAMES}
OURS = ("migrate", "web", "worker", "dispatch", "probe", "beat")


@pytest.fixture
def services() -> dict[str, dict[str, Any]]:
    return compose.services(SECRETS)


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, check=False, **options
    )
    return done


def test_the_compose_file_obeys_the_schema_of_the_specification() -> None:
    done = run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")

    assert done.returncode == 0, done.stdout


def test_the_schema_would_find_a_mistake(tmp_path: Path) -> None:
    text = (CHECKOUT / "docker-compose.yml").read_text().replace("healthcheck:", "healtcheck:", 1)
    (tmp_path / "docker-compose.yml").write_text(text)

    done = run(
        tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(tmp_path / "docker-compose.yml")
    )

    assert done.returncode != 0


def test_the_dockerfile_passes_its_linter() -> None:
    if not Path(tool("hadolint")).exists():
        pytest.skip("hadolint has no program for this system")

    done = run(tool("hadolint"), "--failure-threshold", "style", "Dockerfile")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SECRETS)
def test_compose_refuses_to_start_without_a_secret(name: str) -> None:
    with pytest.raises(compose.Unset, match=f"Write {name} into .env"):
        compose.services({**SECRETS, name: ""})


def test_postgres_is_that_of_the_embedded_server_tuned_as_specified(services: dict[str, dict[str, Any]]) -> None:
    postgres = services["postgres"]

    assert postgres["image"].startswith(f"postgres:{postgres_major(find_postgres())}-")
    flags = dict(flag.removeprefix("-c").split("=", 1) for flag in postgres["command"][1:])
    specified = {
        "shared_buffers": "256MB",
        "effective_cache_size": "1GB",
        "maintenance_work_mem": "64MB",
        "checkpoint_completion_target": "0.9",
        "wal_buffers": "16MB",
        "default_statistics_target": "100",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "200",
        "work_mem": "2MB",
        "min_wal_size": "1GB",
        "max_wal_size": "4GB",
        "max_connections": "100",
    }
    assert {name: flags[name] for name in specified} == specified


def test_every_process_waits_for_what_it_needs(services: dict[str, dict[str, Any]]) -> None:
    healthy, done = {"condition": "service_healthy"}, {"condition": "service_completed_successfully"}

    for name in ("web", "worker", "dispatch"):
        assert services[name]["depends_on"] == {"postgres": healthy, "redis": healthy, "migrate": done}
    assert services["probe"]["depends_on"] == services["beat"]["depends_on"] == {"redis": healthy}
    assert all("healthcheck" in services[name] for name in ("postgres", "redis"))


def test_processes_have_no_more_rights_than_they_need(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else []), name
        assert "privileged" not in service and "docker.sock" not in str(service.get("volumes")), name
    assert (services["postgres"]["user"], services["redis"]["user"]) == ("postgres", "redis")
    assert "USER 10001:10001" in (CHECKOUT / "Dockerfile").read_text()


def test_a_probe_worker_is_given_neither_the_database_nor_the_key_of_sessions(
    services: dict[str, dict[str, Any]],
) -> None:
    probe = services["probe"]

    assert "env_file" not in probe
    assert not [name for name in probe["environment"] if name.startswith("DB_") or name == "DATABASE_URL"]
    assert SECRETS["SECRET_KEY"] not in str(probe) and SECRETS["DB_PASSWORD"] not in str(probe)


def test_a_service_is_given_the_secrets_that_it_needs(services: dict[str, dict[str, Any]]) -> None:
    given = {
        name: {secret for secret, value in SECRETS.items() if value in str(service.get("environment"))}
        for name, service in services.items()
    }

    app = {"DB_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY", "SECRETS_KEY"}
    assert given == {
        "postgres": {"DB_PASSWORD"},
        "redis": {"REDIS_PASSWORD", "REDIS_PROBE_PASSWORD"},
        **dict.fromkeys(("migrate", "web", "worker", "dispatch"), app),
        "probe": {"REDIS_PROBE_PASSWORD", "SECRETS_KEY"},
        "beat": {"REDIS_PASSWORD", "SECRETS_KEY"},
        "caddy": set(),
    }
    assert {name for name in services if services[name].get("env_file")} == {"migrate", "web", "worker"}


def test_networks_keep_probes_from_the_database(services: dict[str, dict[str, Any]]) -> None:
    members = {
        network: {name for name, service in services.items() if network in service["networks"]}
        for network in ("database", "broker", "probes", "front")
    }

    app = {"migrate", "web", "worker", "dispatch"}
    assert members == {
        "database": app | {"postgres"},
        "broker": app | {"redis", "beat"},
        "probes": {"redis", "web", "probe"},
        "front": {"web", "caddy"},
    }


def test_nothing_is_open_to_the_network_but_the_proxy(services: dict[str, dict[str, Any]]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert ports.pop("caddy") == ["80:80", "443:443", "443:443/udp"]
    assert services["caddy"]["profiles"] == ["tls"]
    assert ports == {"postgres": ["127.0.0.1:5432:5432"], "web": ["127.0.0.1:8000:8000"]}


def test_a_worker_is_killed_only_after_its_time_to_finish(services: dict[str, dict[str, Any]]) -> None:
    assert int(services["probe"]["stop_grace_period"].rstrip("s")) > int(
        services["probe"]["environment"]["PROBE_FINISH_S"]
    )
    assert int(services["worker"]["stop_grace_period"].rstrip("s")) > 50, "the time limit of recording"


def test_secrets_and_data_never_enter_the_image() -> None:
    ignored = set((CHECKOUT / ".dockerignore").read_text().splitlines())

    assert {".env", ".env.*", "var", "backups", ".git"} <= ignored


def test_the_proxys_file_names_the_web_process(services: dict[str, dict[str, Any]]) -> None:
    text = (CHECKOUT / "deploy" / "Caddyfile").read_text()

    assert "reverse_proxy web:8000" in text
    assert services["web"]["command"][-1] == "8000"
    assert text.count("{") == text.count("}")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with the places of this machine in them, as the verifier wants programs that exist."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/slamonitor/.venv/bin/python", sys.executable)
        text = text.replace("/opt/slamonitor", str(CHECKOUT)).replace("User=slamonitor", "User=root")
        (tmp_path / unit.name).write_text(text.replace("Group=slamonitor", "Group=root"))
    return tmp_path


def test_systemd_understands_the_units(units: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine: the units are checked by the other tests alone")
    files = sorted(str(path) for path in units.iterdir())
    env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_LOG_LEVEL": "warning"}

    done = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *files, env=env)

    ours = [line for line in done.stderr.splitlines() if "slamonitor" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@pytest.mark.parametrize("name", ["web", "engine", "dispatch", "probe", "beat"])
def test_units_run_as_a_user_of_their_own_with_secrets_from_files(name: str) -> None:
    text = (UNITS / f"slamonitor-{name}@.service").read_text()

    assert f"manage.py run {name}" in text
    assert "\nUser=slamonitor\n" in text and "\nNoNewPrivileges=yes\n" in text and "\nProtectSystem=strict\n" in text
    assert "REDIS_URL_FILE=%d/redis-url" in text
    assert ("DATABASE_URL_FILE" in text) == (name not in ("probe", "beat"))
    assert "SECRET_KEY=" not in text.replace("_KEY_FILE=", "")


def test_containers_units_and_up_start_the_same_processes(services: dict[str, dict[str, Any]]) -> None:
    commands = [services[name]["command"][1] for name in ("web", "worker", "dispatch", "probe", "beat")]

    assert commands == ["web", "engine", "dispatch", "probe", "beat"]
    target = (UNITS / "slamonitor.target").read_text()
    assert all(f"slamonitor-{name}@1.service" in target for name in commands)


def test_a_command_next_to_the_units_has_their_settings(tmp_path: Path) -> None:
    names = ("SECRET_KEY", "SECRETS_KEY", "DATABASE_URL", "REDIS_URL")
    for name in names:
        (tmp_path / name.lower().replace("_", "-")).write_text(f"what is in the file of {name}\n")
    (tmp_path / "env").write_text('# ours\nSITE_NAME=Two Words\nALLOWED_HOSTS="a.example,b.example"\nLOG_LEVEL=DEBUG')
    (tmp_path / "python").write_text('#!/bin/sh\necho "$@"\nenv\n')
    (tmp_path / "python").chmod(0o755)
    me = run("id", "-un").stdout.strip()
    env = {"PATH": os.environ["PATH"], "SLAMONITOR_ETC": str(tmp_path), "SLAMONITOR_USER": me}

    done = run("deploy/manage.sh", "doctor", "--quiet", env={**env, "PYTHON": str(tmp_path / "python")})

    given = done.stdout.splitlines()
    assert given[0] == "manage.py doctor --quiet", done.stderr
    assert {f"{name}=what is in the file of {name}" for name in names} <= set(given)
    assert {"SITE_NAME=Two Words", "ALLOWED_HOSTS=a.example,b.example", "LOG_LEVEL=DEBUG"} <= set(given)
    assert {"SLAMONITOR_STATE_DIR=/nonexistent", "BACKUP_DIR=/var/lib/slamonitor/backups"} <= set(given)


@pytest.mark.parametrize("name", ["web", "engine", "dispatch", "beat"])
def test_units_count_into_one_folder_for_metrics(name: str) -> None:
    text = (UNITS / f"slamonitor-{name}@.service").read_text()

    assert "\nRuntimeDirectory=slamonitor-metrics\nRuntimeDirectoryPreserve=yes\n" in text
    assert "\nEnvironment=METRICS_DIR=/run/slamonitor-metrics\n" in text
