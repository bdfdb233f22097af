"""docs/architecture.md is right: import-linter enforces the contracts, and these tests check that it does."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.core.management import call_command

from slamonitor.embedded.state_directory import CHECKOUT

APPS = ("accounts", "database", "incidents", "monitoring", "observability", "slamonitor", "statuspage")
NAMES_THAT_SAY_NOTHING = {"utils.py", "helpers.py", "common.py", "misc.py", "services.py"}


def sources() -> list[Path]:
    return [path for app in APPS for path in (CHECKOUT / app).rglob("*.py") if "migrations" not in path.parts]


def test_apps_import_one_way_and_pure_modules_stay_pure() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=CHECKOUT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


def test_the_rooms_of_monitoring_are_listed_in_the_order_of_imports() -> None:
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each.get("containers") == ["monitoring"])
    part = (
        (CHECKOUT / "docs" / "architecture.md")
        .read_text()
        .partition("## Rooms of monitoring\n")[2]
        .partition("\n### ")[0]
    )
    rows = [re.findall(r"`(\w+)(?:/|\.py)`", row.split("|")[1]) for row in part.splitlines() if row.startswith("| `")]

    assert [set(row) for row in rows] == [set(re.findall(r"\w+", layer)) for layer in layers]


def test_every_file_that_a_page_names_exists() -> None:
    pages = [CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")]
    named = re.compile(rf"`((?:{'|'.join(APPS)}|bench|clients|deploy)/[\w./-]*)")
    wrong = [f"{page.name}: {path}" for page in pages for path in named.findall(page.read_text()) if not is_there(path)]

    assert wrong == []


def is_there(path: str) -> bool:
    return (CHECKOUT / path).exists()


def test_files_are_named_for_what_they_know() -> None:
    assert [path for path in sources() if path.name in NAMES_THAT_SAY_NOTHING and "models" not in path.parts] == []


def test_business_flow_uses_no_signals_of_models() -> None:
    for path in sources():
        modules = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        assert "django.db.models.signals" not in modules, path


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
