"""`make faults`: inject every fault into a running installation, and print promise and measurement."""

import argparse
import sys
from contextlib import ExitStack
from importlib import import_module
from types import SimpleNamespace

from bench.faults.fault import Fault, Outcome, as_json, now, show, table
from bench.faults.process_clocks import movable
from bench.faults.stage import Stage
from bench.faults.targets import switched
from bench.installation import running, target

SUBJECTS = (
    "kills",
    "servers_away",
    "results_again",
    "two_beats",
    "clock_leaps",
    "process_clocks",
    "crowd",
    "frozen_worker",
    "held_doors",
    "table_lock",
)
FULL = {"steady": 300, "crowd": 2000, "crowd_interval_ms": 10_000, "fault_s": 20}
SMALL = {"steady": 20, "crowd": 50, "crowd_interval_ms": 2_000, "fault_s": 4}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("words", nargs="*", help="only the faults whose names have one of these words")
    parser.add_argument("--small", action="store_true", help="fewer services and shorter faults, for every change")
    options = parser.parse_args()
    outcomes = run(chosen(options.words), SimpleNamespace(**(SMALL if options.small else FULL)))
    print(table(outcomes))
    if not options.small and not options.words:
        from bench.__main__ import keep

        keep("faults", {"sizes": FULL, "outcomes": as_json(outcomes)})
    return 1 if any(outcome.verdict == "broken" for outcome in outcomes) else 0


def chosen(words: list[str]) -> list[Fault]:
    """Return all faults, or those whose name contains one of the words."""
    faults: list[Fault] = [fault for subject in SUBJECTS for fault in import_module(f"bench.faults.{subject}").FAULTS]
    return [fault for fault in faults if not words or any(word in fault.name for word in words)]


def run(faults: list[Fault], sizes: SimpleNamespace) -> list[Outcome]:
    """Inject faults in sequence, each into an installation at full rate."""
    with ExitStack() as stack:
        stage = Stage(
            installation=stack.enter_context(running(**stack.enter_context(movable()))),
            steady=sizes.steady,
            steady_url=stack.enter_context(target()),
            crowd=sizes.crowd,
            crowd_interval_ms=sizes.crowd_interval_ms,
            crowd_target=stack.enter_context(switched()),
            dead_target=stack.enter_context(switched()),
            dying_target=stack.enter_context(switched()),
            fault_s=sizes.fault_s,
        )
        stage.load()
        stage.full_rate_at(now())
        outcomes = []
        for fault in faults:
            outcomes.append(outcome := show(fault, stage))
            print(outcome.row(), file=sys.stderr, flush=True)
        return outcomes


if __name__ == "__main__":
    sys.exit(main())
