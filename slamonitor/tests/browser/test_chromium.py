"""Where a Chromium is looked for, and how one is got."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from slamonitor.tests.browser import chromium


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "ON_THE_PATH", ())
    monkeypatch.setattr(chromium, "ON_A_MAC", Path("/nowhere"))


def test_playwrights_own_is_asked_for_where_the_system_has_none(tmp_path: Path) -> None:
    own = tmp_path / "chrome"

    def run(command: Sequence[str]) -> bool:
        own.touch()
        return True

    assert chromium.find(str(own), run) == str(own)


def test_the_systems_packages_are_asked_by_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name == "apt-get" else None)

    def run(command: Sequence[str]) -> bool:
        asked.append(command[0])
        return False

    for uid in (1000, 0):
        monkeypatch.setattr("os.geteuid", lambda uid=uid: uid)
        assert chromium.find("/nowhere", run) is None

    assert [name for name in asked if name == "apt-get"] == ["apt-get", "apt-get"]


def test_what_cannot_be_run_is_no_error() -> None:
    assert chromium._run(("/nowhere/at/all",)) is False
