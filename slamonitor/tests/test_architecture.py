"""The house as docs/architecture.md draws it: import-linter holds the contracts, and this holds the linter to them."""

import ast
import subprocess
import sys
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


def test_files_are_named_for_what_they_know() -> None:
    assert [path for path in sources() if path.name in NAMES_THAT_SAY_NOTHING and "models" not in path.parts] == []


def test_business_flow_uses_no_signals_of_models() -> None:
    for path in sources():
        modules = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        assert "django.db.models.signals" not in modules, path


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
