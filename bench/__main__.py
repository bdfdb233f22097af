"""`make bench`: measure the figures in docs/performance.md; one subject: `make bench ARGS="engine --services 2000"`."""

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    api,
    backup,
    crowd,
    detection,
    engine,
    hanging,
    incidents,
    observability,
    page,
    peer,
    recording,
    rollup,
    soak,
    start,
    storage,
    storm,
    tls,
    visits,
)

RESULTS = Path(__file__).parent / "results"
SUBJECTS = {
    "api": api,
    "backup": backup,
    "crowd": crowd,
    "detection": detection,
    "engine": engine,
    "hanging": hanging,
    "incidents": incidents,
    "observability": observability,
    "page": page,
    "peer": peer,
    "recording": recording,
    "rollup": rollup,
    "soak": soak,
    "start": start,
    "storage": storage,
    "storm": storm,
    "tls": tls,
    "visits": visits,
}
# Two need other programs, one takes long.
UNASKED = [name for name in SUBJECTS if name not in ("peer", "soak", "visits")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    subjects = parser.add_subparsers(dest="subject")
    for name, subject in SUBJECTS.items():
        subject.add_arguments(subjects.add_parser(name, help=(subject.__doc__ or "").splitlines()[0]))
    names = [sys.argv[1]] if len(sys.argv) > 1 else UNASKED
    for name in names:
        arguments = sys.argv[1:] or [name]
        figures = SUBJECTS[name].measure(parser.parse_args(arguments))
        print(SUBJECTS[name].as_table(figures))
        keep(name, figures)


def keep(name: str, figures: dict[str, object]) -> None:
    """Write the figures to `results/`, with the machine on which they were measured."""
    machine = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cpus": os.cpu_count(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
