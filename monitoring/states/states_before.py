"""Write the state before a service's newest slot as JSON for its row, and read it back."""

import json
from datetime import datetime
from typing import Any

from monitoring.probes.model import Verdict
from monitoring.rules.state import Run, State, Status


def dump(state: State) -> str:
    """Dump the fields needed to fold the slot again; the times of staleness and recheck are computed from the slot."""
    run = state.run
    return json.dumps(
        {
            "status": state.status,
            "is_down": state.is_down,
            "streak_first_at": _text(state.streak_first_at),
            "streak_count": state.streak_count,
            "last_good_at": _text(state.last_good_at),
            "last_bad_at": _text(state.last_bad_at),
            "run": run and [run.verdict, _text(run.first_at), _text(run.last_at), run.check_count, run.hold_s],
        }
    )


def load(text: str) -> State:
    """Parse the output of `dump`."""
    found: dict[str, Any] = json.loads(text)
    return State(
        status=Status(found["status"]),
        is_down=found["is_down"],
        streak_first_at=_instant(found["streak_first_at"]),
        streak_count=found["streak_count"],
        last_good_at=_instant(found["last_good_at"]),
        last_bad_at=_instant(found["last_bad_at"]),
        run=_run(*found["run"]) if found["run"] else None,
    )


def _run(verdict: str, first_at: str, last_at: str, check_count: int, hold_s: int) -> Run:
    return Run(
        verdict=Verdict(verdict),
        first_at=datetime.fromisoformat(first_at),
        last_at=datetime.fromisoformat(last_at),
        check_count=check_count,
        hold_s=hold_s,
    )


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
