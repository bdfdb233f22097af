"""The clock of a whole machine leaps an hour ahead and back, and is set back by three minutes; targets fail after each.

The engine runs with a clock of ours, on a database of its own.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import database
from bench.faults.fault import Fault
from bench.faults.stage import Stage
from slamonitor.embedded.state_directory import CHECKOUT

SERVICES = 20
FIRST, SECOND = range(5), range(5, 10)  # those that fail after the first leap back, and after the second
HOUR_S, SET_BACK_S = 3600, 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of time without a leap."""

    name: str
    since_s: int  # by that clock
    seconds: int = 20
    failing: range = range(0)


PHASES = (
    Phase(name="before", since_s=0, seconds=200),
    Phase(name="ahead", since_s=200 + HOUR_S),
    Phase(name="back", since_s=220, failing=FIRST),
    Phase(name="set back", since_s=240 - SET_BACK_S, failing=SECOND),
)


def strike(stage: Stage) -> str:
    command = [sys.executable, "-m", "bench.faults.clock_leaps"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"it did not run: {done.stderr[-300:]}"
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == [], f"statuses that are not those of the targets: {found['wrong']}"
    assert found["hidden_s"] == 0, f"{found['hidden_s']} s of outages called up"
    assert found["false_s"] == 0, f"{found['false_s']} s called down of a target that answered"
    assert found["doubled"] == 0, f"{found['doubled']} checks doubled"
    assert found["skipped"] >= SERVICES * 3500, f"only {found['skipped']} slots counted as skipped"
    assert max(found["silent_ticks"].values()) <= 1, f"ticks without a slot after a leap: {found['silent_ticks']}"
    return f"{found['checks']} checks, {found['skipped']} slots skipped and counted, none doubled, each outage told"


def live(start: datetime) -> dict[str, Any]:
    """Tick through the phases; each dispatched slot is checked and recorded."""
    from monitoring.engine import recording
    from monitoring.engine.dispatch import Tick, dispatch_due
    from monitoring.models import CheckRun, DispatchWatermark, ServiceState, WatchServerLog
    from monitoring.probes.model import ProbeSpec
    from monitoring.states import silence

    phase, now = PHASES[0], start
    silent: Counter[str] = Counter({each.name: 0 for each in PHASES})
    wrong: list[str] = []

    def publish(_region: str, specs: Sequence[ProbeSpec]) -> None:
        failing = {id_of(number) for number in phase.failing}
        recording.record([_answer(spec, is_bad=spec.service_id in failing) for spec in specs], now)

    for phase in PHASES:
        for second in range(phase.seconds):
            now = start + timedelta(seconds=phase.since_s + second)
            tick = dispatch_due(now, publish)
            silence.mark_silent(now)
            silent[phase.name] += not isinstance(tick, Tick) or not tick.dispatched
        wrong += _wrong(phase)
    checks = WatchServerLog.objects.speaking().count()
    runs = sum(CheckRun.objects.values_list("check_count", flat=True))
    runs += sum(ServiceState.objects.values_list("run_count", flat=True))
    return {
        "checks": checks,
        "doubled": abs(checks - runs),
        "wrong": wrong,
        "hidden_s": _seconds(start, PHASES[-1], SECOND, ("operational", "partial")),
        "false_s": _seconds(start, PHASES[0], range(10, SERVICES), ("down",)),
        "skipped": DispatchWatermark.objects.get().skipped_slots,
        "silent_ticks": dict(silent),
    }


def id_of(number: int) -> str:
    return f"clock-{number:02}"


def _wrong(phase: Phase) -> list[str]:
    """Return the services whose status differs from their target at the end of a phase."""
    from monitoring.models import Service

    down = {id_of(number) for number in phase.failing}
    found = Service.objects.order_by("id").values_list("id", "status")
    return [f"{phase.name}: {id} {status}" for id, status in found if status != ("mo" if id in down else "o")]


def _seconds(start: datetime, phase: Phase, numbers: range, kinds: Sequence[str]) -> int:
    """Sum the ledgers of services over a phase, without the hold of the checks before it."""
    from monitoring.accounting import ledger
    from monitoring.models import Service

    hold_s = 4
    since = start + timedelta(seconds=phase.since_s + hold_s)
    until = start + timedelta(seconds=phase.since_s + phase.seconds)
    services = Service.objects.filter(id__in=[id_of(number) for number in numbers])
    readings = [ledger.read(service, since, until, until, UTC).official for service in services]
    return sum(seconds for reading in readings for kind, seconds in reading.seconds.items() if kind in kinds)


def _answer(spec: Any, *, is_bad: bool) -> Any:
    from monitoring.probes.model import ErrorType, Phases, ProbeResult, Verdict

    return ProbeResult(
        service_id=spec.service_id,
        region=spec.region,
        checked_at_ms=spec.due_at_ms,
        interval_ms=spec.interval_ms,
        timeout_ms=spec.timeout_ms,
        lateness_ms=0.0,
        verdict=Verdict.BAD if is_bad else Verdict.OK,
        status_code=503 if is_bad else 200,
        error_type=ErrorType.HTTP if is_bad else None,
        error_message="answered 503" if is_bad else None,
        phases=Phases(total_ms=1.0),
        requests=(),
    )


def main() -> None:
    with database.migrated():
        from monitoring.models import Service
        from monitoring.models.services import phase_of

        for number in range(SERVICES):
            id = id_of(number)
            Service.objects.create(
                id=id,
                name=id,
                display_name=id,
                endpoint_url="http://127.0.0.1/",
                check_interval=1000,
                phase_ms=phase_of(id, 1000),
            )
        start = datetime.fromisoformat("2025-03-10T12:00:00+00:00")
        Service.objects.update(created_at=start - timedelta(days=1))
        print(json.dumps(live(start)))


FAULTS = [
    Fault(
        name="clock of the machine an hour ahead, then back, then set back by 180 s",
        promise="slots go on with the next tick, none is doubled; who fails after a leap is told, and nobody else",
        strike=strike,
    ),
]

if __name__ == "__main__":
    main()
