"""The wall clock leaps an hour ahead and an hour back: the engine with a clock of ours, on a database of its own."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bench import database
from bench.faults.fault import Fault
from bench.faults.stage import Stage
from slamonitor.embedded.state_directory import CHECKOUT

SERVICES, TICKS = 20, 20
HOUR = timedelta(hours=1)


def strike(stage: Stage) -> str:
    command = [sys.executable, "-m", "bench.faults.clock_leaps"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"it did not run: {done.stderr[-300:]}"
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["outages"] == 0, f"{found['outages']} outages that did not happen"
    assert found["doubled"] == 0, f"{found['doubled']} checks doubled"
    assert found["skipped"] >= SERVICES * 3500, f"only {found['skipped']} slots counted as skipped"
    assert max(found["silent_ticks"].values()) <= 1, f"ticks without a slot after a leap: {found['silent_ticks']}"
    return f"{found['checks']} checks, {found['skipped']} slots skipped and counted, none doubled, no outage"


def live(start: datetime) -> dict[str, Any]:
    """Tick before, after a leap ahead, and after one back; each slot that is handed out is checked and recorded."""
    from monitoring import recording, silence
    from monitoring.dispatch import Tick, dispatch_due
    from monitoring.models import CheckRun, DispatchWatermark, ServiceState, Transition, WatchServerLog
    from monitoring.probes.model import ProbeSpec

    handed_out: Counter[str] = Counter()
    leap = "before"

    def publish(_region: str, specs: Sequence[ProbeSpec]) -> None:
        handed_out[leap] += len(specs)
        recording.record([_answer(spec) for spec in specs], now)

    silent: Counter[str] = Counter({"ahead": 0, "back": 0})
    now = start
    for leap, offset in (("before", timedelta()), ("ahead", HOUR), ("back", timedelta(seconds=TICKS))):
        for second in range(TICKS):
            now = start + offset + timedelta(seconds=second)
            tick = dispatch_due(now, publish)
            silence.mark_silent(now)
            silent[leap] += not isinstance(tick, Tick) or not tick.dispatched
    checks = WatchServerLog.objects.count()
    runs = sum(CheckRun.objects.values_list("check_count", flat=True))
    runs += sum(ServiceState.objects.values_list("run_count", flat=True))
    return {
        "checks": checks,
        "doubled": abs(checks - runs),
        "outages": Transition.objects.filter(to_status__in=["mo", "po"]).count(),
        "skipped": DispatchWatermark.objects.get().skipped_slots,
        "silent_ticks": {name: silent[name] for name in ("ahead", "back")},
    }


def _answer(spec: Any) -> Any:
    from monitoring.probes.model import Phases, ProbeResult, Verdict

    return ProbeResult(
        service_id=spec.service_id,
        region=spec.region,
        checked_at_ms=spec.due_at_ms,
        interval_ms=spec.interval_ms,
        timeout_ms=spec.timeout_ms,
        lateness_ms=0.0,
        verdict=Verdict.OK,
        status_code=200,
        error_type=None,
        error_message=None,
        phases=Phases(total_ms=1.0),
        requests=(),
    )


def main() -> None:
    with database.migrated():
        from monitoring.models import Service
        from monitoring.models.services import phase_of

        for number in range(SERVICES):
            id = f"clock-{number:02}"
            Service.objects.create(
                id=id,
                name=id,
                display_name=id,
                endpoint_url="http://127.0.0.1/",
                check_interval=1000,
                phase_ms=phase_of(id, 1000),
            )
        print(json.dumps(live(datetime.fromisoformat("2025-03-10T12:00:00+00:00"))))


FAULTS = [
    Fault(
        name="wall clock an hour ahead, then back",
        promise="skipped slots are counted, none is doubled, no outage; slots go on with the next tick",
        strike=strike,
    ),
]

if __name__ == "__main__":
    main()
