"""Install pinned packages with pip and show progress, as the first time takes most of a minute: install.py LOCK."""

import re
import subprocess
import sys
from pathlib import Path

# The lines of pip about a package; the last of these is of one that this machine does not need.
FOUND = re.compile(r"(?:Collecting|Processing|Requirement already satisfied:|Ignoring) (?:\S*/)?([^\s:]+)")


def main(lock: str) -> int:
    total = sum("==" in line and not line.startswith((" ", "#")) for line in Path(lock).read_text().splitlines())
    print(f"Installing {total} packages into {sys.prefix}; the first time takes most of a minute.", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"]
    with subprocess.Popen([*pip, "--require-hashes", "-r", lock], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = 0
        for line in process.stdout:
            if package := FOUND.match(line):
                found += 1
                show(f"{found} of {total} packages: {package[1]}")
            elif line.startswith("Installing collected packages"):
                show("All packages are here; installing them …")
    show("Installed." if process.returncode == 0 else "pip failed; see its message above.", is_last=True)
    return process.returncode


def show(text: str, *, is_last: bool = False) -> None:
    """Rewrite the line on a terminal; elsewhere print only the last one."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text}", end="\n" if is_last else "", flush=True)
    elif is_last:
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
