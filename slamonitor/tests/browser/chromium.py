"""Find a Chromium for the browser tests, or get one where that is allowed and takes a bounded time."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ON_THE_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ON_A_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
GET_WITHIN_S = 240
# Root has no sandbox; the rest keeps it from talking to anybody but us.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Run = Callable[[Sequence[str]], bool]


def find(playwrights_own: str, run: Run | None = None) -> str | None:
    """Return a program: the system's, else Playwright's own, else one that can be had now; None where none can."""
    return installed(playwrights_own) or _get(playwrights_own, run or _run)


def installed(playwrights_own: str) -> str | None:
    """Return a program that is there already."""
    for name in ON_THE_PATH:
        if program := shutil.which(name):
            return program
    return next((str(path) for path in (ON_A_MAC, Path(playwrights_own)) if path.exists()), None)


def _get(playwrights_own: str, run: Run) -> str | None:
    """Ask Playwright for its own, then the system's packages, which only root may add."""
    run((sys.executable, "-m", "playwright", "install", "chromium"))
    if found := installed(playwrights_own):
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        run(("apt-get", "-qq", "update"))
        run(("apt-get", "-qq", "install", "--yes", "--no-install-recommends", "chromium"))
    return installed(playwrights_own)


def _run(command: Sequence[str]) -> bool:
    """Run a command and say whether it went well; it has `GET_WITHIN_S`."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=quiet, timeout=GET_WITHIN_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
