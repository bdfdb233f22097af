"""The state directory: modes, the `env` file, and the lock."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slamonitor.embedded.state_directory import (
    CHECKOUT,
    EmbeddedError,
    StateDirectory,
    StateDirectoryInUse,
    default_path,
    read_env,
)

pytestmark = pytest.mark.processes

AWKWARD = {"URL": "postgresql://u:p@:5432/db?host=%2Ftmp&x=1", "QUOTES": 'it\'s "so" $HOME #1', "EMPTY": ""}


def test_new_folder_is_closed_and_its_parent_left_alone(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o750)

    state = StateDirectory.create(parent / "state")

    # As root the servers run as somebody else, who must be able to pass.
    assert state.path.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)
    assert parent.stat().st_mode & 0o777 == 0o750


def test_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o750)

    StateDirectory.create(tmp_path / "state")

    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o750


def test_folder_that_cannot_be_made_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EmbeddedError, match="--state-dir"):
        StateDirectory.create(tmp_path / "file" / "state")


def test_never_started_installation_has_no_values(tmp_path: Path) -> None:
    assert read_env(tmp_path / "missing") == {}


def test_env_file_reads_back_as_written_and_only_by_its_owner(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)

    state.update_env(AWKWARD)
    state.update_env({"MORE": "1", "EMPTY": None})

    assert read_env(tmp_path) == {"URL": AWKWARD["URL"], "QUOTES": AWKWARD["QUOTES"], "MORE": "1"}
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600


def test_shell_reads_the_same_values(tmp_path: Path) -> None:
    StateDirectory(tmp_path).update_env(AWKWARD)

    script = 'set -a; . "$1/env"; printf "%s|%s" "$URL" "$QUOTES"'
    shown = subprocess.run(["sh", "-c", script, "sh", str(tmp_path)], capture_output=True, text=True, check=True)

    assert shown.stdout == f"{AWKWARD['URL']}|{AWKWARD['QUOTES']}"


def test_secret_is_made_once(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)

    assert len(state.secret("SECRET_KEY")) >= 50
    assert state.secret("SECRET_KEY") == state.secret("SECRET_KEY")


def test_second_up_is_refused_and_names_the_first(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)

    refused = pytest.raises(StateDirectoryInUse, match=f"process {os.getpid()}.*kill {os.getpid()}")
    with state.lock(), refused, state.lock():
        pass

    with state.lock():
        pass  # free again


@pytest.mark.parametrize("is_reaped", [True, False])
def test_lock_waits_for_the_cleaning_up_after_a_killed_up(tmp_path: Path, is_reaped: bool) -> None:
    # A process that took the lock and died, and one that inherited it and lives half a second longer.
    code = (
        "import os, subprocess, sys\n"
        "from slamonitor.embedded.state_directory import StateDirectory\n"
        "with StateDirectory.create(sys.argv[1]).lock() as held:\n"
        "    subprocess.Popen(['sleep', '0.5'], pass_fds=[held])\n"
        "    os._exit(0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=CHECKOUT) as killed:
        os.waitid(os.P_PID, killed.pid, os.WEXITED | (0 if is_reaped else os.WNOWAIT))
        with StateDirectory(tmp_path).lock():
            pass


def test_variable_names_the_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLAMONITOR_STATE_DIR", "/srv/sla")
    assert default_path() == Path("/srv/sla")

    monkeypatch.setenv("SLAMONITOR_STATE_DIR", "")
    assert default_path() == CHECKOUT / "var"


def test_closed_state_directory_is_refused_to_strangers(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is closed to root")
    (tmp_path / "state").mkdir(mode=0o500)

    with pytest.raises(EmbeddedError, match="closed to you"):
        StateDirectory.create(tmp_path / "state")

    shutil.rmtree(tmp_path / "state")
