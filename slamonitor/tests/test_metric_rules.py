"""The rules find what Prometheus would complain of, and our figures follow them."""

import shutil
import subprocess

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from monitoring.engine.dispatch import dispatch_due
from slamonitor.tests.metric_rules import complaints, promtools_complaints

pytestmark = pytest.mark.slow

RULES = settings.BASE_DIR / "deploy" / "prometheus"
NO_PROMTOOL = "no promtool on the PATH (apt install prometheus); the rules of metric_rules.py stand in for it"


def family(name: str, kind: str, labels: str = "", help: str = "Of tests.") -> str:
    return f"# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{labels} 1\n"


WRONG = {
    "no help": family("a_total", "counter", help=""),
    "counter without total": family("a", "counter"),
    "gauge with total": family("a_total", "gauge"),
    "type in name": family("a_gauge", "gauge"),
    "abbreviated": family("a_duration_ms", "gauge"),
    "no base unit": family("a_milliseconds", "gauge"),
    "hours": family("a_age_hours", "gauge"),
    "reserved suffix": family("a_count", "gauge"),
    "reserved label": family("a", "gauge", '{le="1"}'),
    "camel case": family("a", "gauge", '{regionName="a"}'),
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_figure_that_breaks_a_rule_is_found(text: str) -> None:
    assert len(complaints(text)) == 1
    assert promtools_complaints(text) != ""  # it agrees, where there is one


def test_a_figure_that_follows_the_rules_is_not() -> None:
    assert complaints(family("a_requests_total", "counter", '{route="b"}') + family("a_age_seconds", "gauge")) == []


@pytest.mark.django_db
def test_every_figure_of_the_web_follows_the_rules(client: Client) -> None:
    dispatch_due(timezone.now(), lambda region, specs: None)

    text = client.get("/metrics").content.decode()

    assert complaints(text) == []
    assert not promtools_complaints(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", "slamonitor.rules.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "slamonitor.rules.test.yml"],
    ],
)
def test_promtool_takes_what_we_deploy(arguments: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip(NO_PROMTOOL)

    done = subprocess.run([promtool, *arguments], cwd=RULES, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
