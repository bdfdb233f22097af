"""The packages that we ship are listed and checked for known vulnerabilities; a missing network is no failure."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from slamonitor.embedded.state_directory import CHECKOUT

pytestmark = pytest.mark.slow


@pytest.fixture
def audit(tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", CHECKOUT / "deploy" / "audit.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__dict__["LIST"] = tmp_path / "sbom.cdx.json"
    return module


def package(name: str, *vulns: tuple[str, list[str]]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": [{"id": id, "fix_versions": fixes} for id, fixes in vulns]}


def skipped(name: str) -> dict[str, Any]:
    return {"name": name, "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    ("packages", "status", "words"),
    [
        ([package("a"), package("b")], 0, "none known in 2 packages"),
        ([package("a", ("CVE-1", ["1.1"]))], 1, "a 1.0: CVE-1, fixed in 1.1"),
        ([package("a", ("CVE-2", []))], 0, "a 1.0: CVE-2, no fix yet"),
        ([package("a"), skipped("b")], 0, "1 of 2 packages could not be asked about"),
        ([skipped("a")], 0, "1 of 1 packages could not be asked about"),
        ([package("a", ("CVE-1", ["1.1"])), skipped("b")], 1, "CVE-1"),
    ],
)
def test_a_vulnerability_fails_only_where_an_upgrade_fixes_it(
    audit: ModuleType, packages: Any, status: int, words: str
) -> None:
    lines, found = audit.judge({"dependencies": packages}, "")

    assert found == status
    assert words in "\n".join(lines)


def test_a_service_that_cannot_be_asked_fails_nothing(audit: ModuleType) -> None:
    lines, status = audit.judge(None, "no route to host")

    assert status == 0
    assert lines == ["vulnerabilities: could not be asked (no route to host); nothing is known, for good or bad"]


def test_words_of_a_tool_that_failed_are_handed_on(
    audit: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "pip-audit"
    tool.write_text("#!/bin/sh\necho 'ConnectionError: pypi.org is away' >&2; exit 1\n")
    tool.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    assert audit.known_vulnerabilities() == (None, "ConnectionError: pypi.org is away")


def test_the_list_names_every_locked_package_with_its_hash(audit: ModuleType) -> None:
    count = audit.bill_of_materials()

    components = json.loads(audit.LIST.read_text())["components"]
    locked = [line for line in (CHECKOUT / "requirements.lock").read_text().splitlines() if "==" in line]
    assert len(components) == count == len(locked)
    assert "django" in {component["name"].lower() for component in components}
