"""Say at the end of a run which browser tests could not be run, and where the screenshots of failed ones are."""

import tempfile
from pathlib import Path
from typing import Any

import pytest

NO_CHROMIUM = "no Chromium was found, and none could be had"


def pytest_configure(config: pytest.Config) -> None:
    """Choose one folder for all processes of a run; those that run tests get the options of the first one."""
    if not hasattr(config, "workerinput"):
        config.option.output = tempfile.mkdtemp(prefix="slamonitor-browser-")
        config.option.screenshot = "only-on-failure"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say loudly what could not be run, and where the screenshots of what failed are."""
    left_out = [report for report in terminalreporter.stats.get("skipped", []) if NO_CHROMIUM in str(report.longrepr)]
    if left_out:
        terminalreporter.section("BROWSER TESTS WERE NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"{len(left_out)} tests need a browser: {NO_CHROMIUM}.", red=True)
        terminalreporter.write_line("Install one (apt install chromium, or: python -m playwright install chromium).")
    output = Path(config.option.output)
    if shots := sorted(output.rglob("*.png")) if output.exists() else []:
        terminalreporter.section("screenshots")
        for shot in shots:
            terminalreporter.write_line(str(shot))
