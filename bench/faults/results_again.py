"""Result messages that arrive twice and in another order, through the real queue into the real engine."""

import random
import time

from bench.faults.fault import Fault
from bench.faults.stage import SERVICE, Stage

CHECKS, BATCH = 600, 20
FAILED = range(200, 300)  # an outage in the middle
ID = "echo"
# The rows after each result has come once and in order.
EXPECTED = [("ok", 200), ("bad", 100), ("ok", 300)]
FOUND = """
    SELECT verdict, check_count FROM (
        SELECT verdict, check_count, first_at FROM check_runs WHERE service_id = 'echo'
        UNION ALL
        SELECT verdict, run_count, run_first_at FROM service_state WHERE service_id = 'echo'
    ) AS runs ORDER BY first_at
"""
ROWS = """
    SELECT (SELECT count(*) FROM watch_server_logs WHERE service_id = 'echo'),
        (SELECT count(*) FROM api_response_times WHERE service_id = 'echo')
"""


def strike(stage: Stage) -> str:
    inactive = SERVICE.format(ID, stage.steady_url, 1000).replace("}", ", is_active: false}")
    stage.installation.manage("sync_services", "-", text=f"services:\n{inactive}")
    stage.installation.manage("shell", "-c", "from bench.faults import results_again; results_again.send()")
    stage.wait(lambda: stage.installation.query(ROWS) == [(CHECKS, CHECKS)], "the results did not arrive")
    stage.wait(lambda: stage.installation.query(FOUND) == EXPECTED, f"the runs are not {EXPECTED}", 20)
    return f"{2 * CHECKS} results sent, {CHECKS} checks and requests stored, runs as in order"


def send() -> None:
    """Send each batch twice, all of them shuffled. Runs within `manage.py shell` of the installation."""
    from celery import current_app

    from monitoring.probes.model import ErrorType, MeasuredRequest, Phases, ProbeResult, Verdict
    from monitoring.worker import messages

    begin_ms = (int(time.time()) - CHECKS - 60) * 1000

    def result(number: int) -> ProbeResult:
        is_bad, at_ms = number in FAILED, begin_ms + number * 1000
        phases = Phases(connect_ms=0.2, first_byte_ms=0.5, total_ms=1.0)
        status = 503 if is_bad else 200
        return ProbeResult(
            service_id=ID,
            region="default",
            checked_at_ms=at_ms,
            interval_ms=1000,
            timeout_ms=900,
            lateness_ms=0.1,
            verdict=Verdict.BAD if is_bad else Verdict.OK,
            status_code=status,
            error_type=ErrorType.HTTP if is_bad else None,
            error_message="answered 503" if is_bad else None,
            phases=phases,
            requests=(
                MeasuredRequest(
                    started_at_ms=at_ms, url="", method="GET", status_code=status, error_message=None, phases=phases
                ),
            ),
        )

    batches = [[result(number) for number in range(start, start + BATCH)] for start in range(0, CHECKS, BATCH)] * 2
    random.Random(1).shuffle(batches)
    for batch in batches:
        current_app.send_task("monitoring.record", args=[messages.pack_results(batch)], retry=False)


FAULTS = [
    Fault(
        name="result messages twice and out of order",
        promise="stored and counted once; runs as if they had come in order",
        strike=strike,
    ),
]
