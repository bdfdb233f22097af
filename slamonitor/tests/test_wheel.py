"""The wheel is complete: installed in an empty folder, its command runs an installation."""

import os
import signal
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import httpx
import pytest

from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.tests.installation import NAMED_ELSEWHERE, PATIENCE_S, free_port, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

CELERY = "#!{python}\nimport sys\nfrom celery.__main__ import main\nsys.exit(main())\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as pip builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        ".",
    ]
    subprocess.run(pip, cwd=CHECKOUT, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> dict[str, str]:
    """Environment of a shell in which the wheel is installed; its dependencies are those of the checkout."""
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    python = place / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    celery = place / "bin" / "celery"  # comes with the dependencies elsewhere
    celery.write_text(CELERY.format(python=python))
    celery.chmod(0o755)
    (tmp_path / "empty").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLAMONITOR_")}
    for name in (*NAMED_ELSEWHERE, "PYTHONPATH", "XDG_DATA_HOME", "DJANGO_SETTINGS_MODULE"):
        kept.pop(name, None)
    return {**kept, "HOME": str(tmp_path / "home"), "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}


def test_the_wheel_has_the_version_of_the_project(wheel: Path) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]

    assert wheel.name == f"sla_monitor-{project['version']}-py3-none-any.whl"


def test_its_command_runs_an_installation_from_an_empty_folder(installed: dict[str, str], tmp_path: Path) -> None:
    empty, log, port = tmp_path / "empty", tmp_path / "up.log", free_port()

    def command(*arguments: str) -> str:
        done = subprocess.run(
            ["slamonitor", *arguments], cwd=empty, env=installed, text=True, check=False, capture_output=True
        )
        return f"{done.returncode} {done.stdout}{done.stderr}"

    assert "Start it in another terminal:\n  slamonitor up\n" in command("seed")
    with log.open("wb") as output:
        up = subprocess.Popen(
            ["slamonitor", "up", "--port", str(port)], cwd=empty, env=installed, stdout=output, stderr=output
        )
    try:
        wait_until(lambda: up.poll() is not None or b"Status page" in log.read_bytes(), within_s=PATIENCE_S)
        assert up.poll() is None, log.read_text()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S) as client:
            page = client.get("/", headers={"Accept-Language": "ko"})
            described = client.get("/api/v1/openapi.json")
            styles = client.get("/static/slamonitor/admin.css")

        assert "서비스" in page.text, "translations and templates"
        assert styles.status_code == 200
        assert "`slamonitor create_token`" in described.json()["info"]["description"]
        assert "Lost it? slamonitor changepassword admin" in log.read_text()
        assert command("seed").startswith("0 ")
        assert "id: sla-monitor" in command("export_services")
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(PATIENCE_S)
    assert list(empty.iterdir()) == []
