"""List the dependencies that we ship, and check them for known vulnerabilities; part of `make lint`.

The list (a software bill of materials, CycloneDX) is made from the lock and needs no network. The vulnerabilities come
from public services; if those can't be reached, a line says so and nothing fails. A vulnerability that an upgrade would
fix is a failure; one without a fix yet is only reported.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
LOCK = CHECKOUT / "requirements.lock"
LIST = CHECKOUT / "sbom.cdx.json"
WITHIN_S = 60


def main() -> int:
    print(f"{LIST.name}: {bill_of_materials()} packages, from {LOCK.name}")
    lines, status = judge(*known_vulnerabilities())
    print("\n".join(lines))
    return status


def bill_of_materials() -> int:
    """Write the list of the packages in the lock, and return their number."""
    command = [_tool("cyclonedx-py"), "requirements", str(LOCK), "--output-reproducible", "--output-file", str(LIST)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return len(json.loads(LIST.read_text())["components"])


def known_vulnerabilities() -> tuple[Mapping[str, Any] | None, str]:
    """Query every package of the lock; return the report, or None and the reason."""
    command = [_tool("pip-audit"), "--requirement", str(LOCK), "--require-hashes", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner", "off"], capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
        report: Mapping[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {WITHIN_S} s"
    except ValueError:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return None, said[-1][:200] if said else f"pip-audit ended with {done.returncode}"
    return report, ""


def judge(report: Mapping[str, Any] | None, why: str) -> tuple[Sequence[str], int]:
    """Return the lines about a report and the exit status: 1 if an upgrade would fix something."""
    if report is None:
        return [f"vulnerabilities: could not be asked ({why}); nothing is known, for good or bad"], 0
    packages = report["dependencies"]
    asked = [package for package in packages if "skip_reason" not in package]
    lines = [
        f"vulnerabilities: {package['name']} {package['version']}: {found['id']}, {_fix_of(found)}"
        for package in asked
        for found in package["vulns"]
    ]
    status = int(any(found["fix_versions"] for package in asked for found in package["vulns"]))
    if len(asked) < len(packages):
        lines.append(
            f"vulnerabilities: {len(packages) - len(asked)} of {len(packages)} packages could not be asked about"
        )
    if asked and not lines:
        lines.append(f"vulnerabilities: none known in {len(asked)} packages")
    return lines, status


def _fix_of(found: Mapping[str, Any]) -> str:
    return f"fixed in {', '.join(found['fix_versions'])}" if found["fix_versions"] else "no fix yet"


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


if __name__ == "__main__":
    sys.exit(main())
