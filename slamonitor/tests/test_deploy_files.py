"""Dashboard and rules ask for figures that there are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.utils import timezone

from monitoring.engine import tally
from monitoring.engine.dispatch import dispatch_due
from observability import events, jobs, metrics, operations, request_figures, streams

DEPLOY = settings.BASE_DIR / "deploy"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "slamonitor.json"
RULES = DEPLOY / "prometheus" / "slamonitor.rules.yml"
NAME = re.compile(r"\bslamonitor_[a-z_]+\b")


def known() -> dict[str, set[str]]:
    """Return the labels of every figure by the names of its samples."""
    modules = (tally, events, jobs, operations, request_figures, streams)
    made = [value for module in modules for value in vars(module).values() if hasattr(value, "_labelnames")]
    named = {
        f"{metric._name}{suffix}": set(metric._labelnames)
        for metric in made
        for suffix in {"counter": ["_total"], "gauge": [""]}.get(metric._type, ["_bucket", "_sum", "_count"])
    }
    for family in metrics._Everything(metrics._collectors).collect():
        for sample in family.samples:
            named.setdefault(sample.name, set()).update(sample.labels)
    return named


def expressions() -> Iterator[tuple[str, str]]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield f"{DASHBOARD.name}: {panel['title']}", target["expr"]
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield f"{RULES.name}: {rule.get('alert') or rule['record']}", rule["expr"]


@pytest.mark.django_db
def test_every_figure_that_is_asked_for_is_there() -> None:
    dispatch_due(timezone.now(), lambda region, specs: None)
    found = known()

    missing = [(where, name) for where, text in expressions() for name in NAME.findall(text) if name not in found]

    assert missing == []


@pytest.mark.django_db
def test_every_label_that_is_asked_for_is_there() -> None:
    labels = {label for names in known().values() for label in names} | {"le", "job", "up"}

    for where, text in expressions():
        by = {name.strip() for names in re.findall(r"\bby \(([^)]*)\)", text) for name in names.split(",")}
        assert by <= labels, where


def test_no_panel_lies_on_another() -> None:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    taken: set[tuple[int, int]] = set()

    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells


def test_files_next_to_them_can_be_read() -> None:
    assert [yaml.safe_load(path.read_text()) for path in Path(DEPLOY).rglob("*.yml")]
