"""docs/checks.md says what the settings classes say, and its examples can be used."""

import json
import re
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.probes import KINDS
from monitoring.probes.model import ErrorType
from monitoring.probes.settings import Described, described

DOCS = Path(__file__).parents[3] / "docs" / "checks.md"
WRITTEN = {
    "expected_status": "2xx",
    "ports": "443, 80, 22",
    "tls": "security: browser",
}  # defaults that are kept in another form


def text() -> str:
    return DOCS.read_text()


def rows(kind: str) -> list[str]:
    """Write the settings of a kind as the lines of a table."""
    return [
        f"| `{each.name}` | {limits(each)} | {default(each)} | {each.setting.help} |"
        for each in described(KINDS[kind].settings)
    ]


def limits(each: Described) -> str:
    about = each.setting
    if about.choices:
        return ", ".join(f"`{choice}`" for choice in about.choices)
    if about.low is not None and each.type == "whole number":
        return f"{about.low:,} to {about.high:,} {about.unit}".strip()
    return f"text, at most {about.length:,} bytes" if each.type == "text" else shape(each)


def shape(each: Described) -> str:
    if each.type == "true or false":
        return "`true` or `false`"
    if each.setting.example is None:
        return "PEM"
    return f"such as `{json.dumps(each.setting.example, ensure_ascii=False)}`"


def default(each: Described) -> str:
    if each.default is MISSING:
        return "needed"
    value = WRITTEN.get(each.name, each.default)
    if isinstance(value, bool):
        value = str(value).lower()
    unit = f" {each.setting.unit}" if isinstance(value, int) and each.setting.unit else ""
    return f"`{value}`{unit}" if value not in (None, "", ()) else "–"


@pytest.mark.parametrize("kind", KINDS)
def test_each_setting_has_its_line(kind: str) -> None:
    missing = [row for row in rows(kind) if row not in text().splitlines()]

    assert not missing, "\n".join(["missing in docs/checks.md:", *missing])


def test_no_setting_is_documented_that_is_not_there() -> None:
    known = {each.name for kind in KINDS.values() for each in described(kind.settings)}
    kinds = text().partition("\n## What all kinds have in common\n")[2]  # before it stand the keys of services
    documented = set(re.findall(r"^\| `(\w+)` \|", kinds, re.MULTILINE)) - {error.value for error in ErrorType}

    assert kinds
    assert documented - known == set()


def examples() -> list[dict[str, Any]]:
    blocks = re.findall(r"```yaml\n(.*?)```", text(), re.DOTALL)
    return [service for block in blocks for service in yaml.safe_load(block)["services"]]


def test_each_kind_has_an_example_that_can_be_used() -> None:
    seen = set()
    for service in examples():
        check = service.get("check", {})
        kind = KINDS[check.get("kind", "http")]
        seen.add(kind.name)
        _, problems = kind.read({key: value for key, value in check.items() if key != "kind"})
        assert [f"{problem.key}: {problem}" for problem in problems] == []
        assert kind.url_problem(service.get("endpoint_url", "")) is None

    assert seen == set(KINDS)


@pytest.mark.parametrize("error_type", ErrorType)
def test_each_class_of_failure_is_explained(error_type: ErrorType) -> None:
    assert f"| `{error_type}` |" in text()
