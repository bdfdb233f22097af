"""docs/api.md does what it says: its commands are run, and its codes are those of the code."""

import os
import re
import shutil
import subprocess
from datetime import date
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from accounts.tests.cast import make_person
from incidents.api.changes import CONFLICTS
from monitoring.api.tests.api_client import Program
from monitoring.models import AccountingPolicy
from slamonitor.api import api
from slamonitor.openapi import describe

pytestmark = pytest.mark.processes

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    """Return the commands of the page in order, each with what it prints."""
    return [found for block in BLOCKS for found in COMMAND.findall(block)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_command_prints_what_the_page_says(live_server: Any, settings: Settings, tmp_path: Path) -> None:
    # Tests that really commit begin with empty tables, without what migrations put there.
    AccountingPolicy.objects.get_or_create(name="standard", version=1, defaults={"effective_on": date(1970, 1, 1)})
    person = make_person("admin")
    token = Program.of(person, name="deploy script").text
    kept = tmp_path / "variables"
    kept.write_text("")
    environment = {"PATH": os.environ["PATH"], "URL": live_server.url, "TOKEN": token, "LC_ALL": "C.UTF-8"}

    for command, wanted in commands():
        script = f". {kept}; {command}\nset | grep ^TAG= > {kept}; true"
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=30)
        assert done.stderr == "", command
        assert matches(wanted, done.stdout), f"{command}\nprinted {done.stdout}\ninstead of {wanted}"


def matches(wanted: str, printed: str) -> bool:
    """Compare as doctest does; a line of the page may be broken anywhere between words."""
    joined = re.sub(r"(?<=[,:])\n(?=[\"\[{])", " " if '": ' in wanted else "", wanted)
    return OutputChecker().check_output(joined, printed, ELLIPSIS | NORMALIZE_WHITESPACE) or (
        OutputChecker().check_output(joined, printed + "\n", ELLIPSIS | NORMALIZE_WHITESPACE)
    )


def test_every_operation_is_on_the_page() -> None:
    paths = describe(api)["paths"]

    for path, methods in paths.items():
        short = path.removeprefix("/api/v1").replace("{service_id}", "{id}")
        for method in methods:
            assert f"{method.upper()} {short}" in TEXT or short in (
                "/token",
                "/system_status",
                "/services/{id}/resume",
            ), path


def test_every_code_is_on_the_page() -> None:
    from slamonitor.tests.test_architecture import sources

    code = "\n".join(path.read_text() for path in sources() if "tests" not in path.parts and "api" in str(path).lower())
    code += (Path(__file__).parents[2] / "accounts" / "callers.py").read_text()
    used = set(re.findall(r'ApiError\(\s*"([A-Z_]+)"', code)) | set(re.findall(r'code, why = "([A-Z_]+)"', code))
    used |= set(CONFLICTS.values())

    assert {each for each in used if f"`{each}`" not in TEXT} == set()
