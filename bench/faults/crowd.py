"""Many targets fail at once, and recover at once."""

from bench.faults.fault import Fault
from bench.faults.stage import Stage

TOLD_WITHIN_S = 25  # interval 10 s, recheck 5 s, timeout 1 s, and the time to report so many


def strike(stage: Stage) -> str:
    stage.set_crowd(is_active=True)
    stage.wait_for_crowd("o")
    stage.crowd_target.tell("fail")
    down_s = stage.wait_for_crowd("mo")
    stage.crowd_target.tell("answer")
    up_s = stage.wait_for_crowd("o")
    changes = dict(
        stage.ask(
            "SELECT to_status, count(*) FROM transitions WHERE service_id LIKE 'crowd-%' AND to_status <> 'nd'"
            " AND from_status <> 'nd' GROUP BY 1"
        )
    )
    stage.set_crowd(is_active=False)
    assert changes == {"mo": stage.crowd, "o": stage.crowd}, f"not one change each: {changes}"
    assert down_s < TOLD_WITHIN_S, f"all were called down after {down_s:.1f} s"
    return f"all {stage.crowd} down after {down_s:.1f} s, up after {up_s:.1f} s, one change each"


FAULTS = [
    Fault(
        name="many targets fail at once",
        promise="each is called down once and up once, and nobody else",
        strike=strike,
    ),
]
