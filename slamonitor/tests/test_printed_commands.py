"""Each line that an installation prints for people to enter works when pasted into a shell without any settings."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.tests.installation import NAMED_ELSEWHERE, PATIENCE_S, Installation, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.slow]

PASSWORD = "a-password-9182"


class Pasted(Installation):
    """An installation that is told its folder on the command line, and a shell that knows nothing of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "--state-dir", str(folder / "state"))
        names = (*NAMED_ELSEWHERE, "SLAMONITOR_STATE_DIR", "SLAMONITOR_PROGRAM", "PYTHONPATH")
        self.env = {name: value for name, value in os.environ.items() if name not in names}

    def printed(self, pattern: str) -> str:
        lines = [json.loads(line)["message"] if line.startswith("{") else line for line in self.lines()]
        return next(found[1].strip() for line in lines if (found := re.search(pattern, line)))

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def paste(self, line: str, text: str = "") -> subprocess.CompletedProcess[str]:
        # Without a terminal, so that passwords are read from standard input.
        return subprocess.run(
            ["bash", "-c", line], cwd=CHECKOUT, env=self.env, input=text, text=True, capture_output=True,
            start_new_session=True, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pasted]:
    with Pasted(tmp_path_factory.mktemp("printed")) as installation:
        yield installation


def test_a_lost_password_is_replaced_by_the_printed_line(site: Pasted) -> None:
    wait_until(lambda: "Lost it?" in site.log.read_text())

    done = site.paste(site.printed(r"Lost it\? (.*)\|"), f"{PASSWORD}\n{PASSWORD}\n")

    assert "Password changed successfully" in done.stdout, done.stderr


def test_the_box_comes_after_the_addresses(site: Pasted) -> None:
    text = site.log.read_text()

    assert 0 < text.index(f"http://localhost:{site.port}/admin/") < text.index("Sign in once")


def test_the_other_lines_of_the_start_work(site: Pasted) -> None:
    commands = site.paste(site.printed(r"Commands +(.*)"))
    database = site.paste(site.printed(r"Database +(.*)"), "SELECT 'pasted';\n")

    assert "sync_services" in commands.stdout, commands.stderr
    assert "pasted" in database.stdout, database.stderr


def test_the_first_service_of_the_readme_is_created_as_it_says(site: Pasted) -> None:
    readme = (CHECKOUT / "README.md").read_text()
    file = re.search(r"```yaml\n(services:.*?)```", readme, re.DOTALL)
    shown = re.search(r"sync_services services\.yaml\n(.*)", readme)
    assert file is not None and shown is not None

    done = site.paste(f"{sys.executable} manage.py sync_services -", file[1])

    assert done.stdout.strip() == shown[1], done.stderr


def test_a_question_that_nobody_can_answer_is_explained(site: Pasted) -> None:
    done = site.paste(site.printed(r"Lost it\? (.*)\|"))

    assert done.returncode == 1
    assert "in a terminal" in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr


def test_the_advice_for_a_taken_port_starts(site: Pasted, tmp_path: Path) -> None:
    refused = site.paste(f"{sys.executable} manage.py up --port {site.port} --state-dir {tmp_path}/other")
    line = refused.stderr.strip().partition("enter: ")[2]

    with subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=CHECKOUT, env=site.env, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        first = other.stdout.readline()
        other.terminate()
        other.communicate(timeout=PATIENCE_S)

    assert b"starting; state directory" in first, refused.stderr


def test_the_printed_line_stops_it(site: Pasted) -> None:
    site.paste(site.printed(r"Stop +Ctrl-C, or: (.*)"))

    assert site.process.wait(PATIENCE_S) == 0
