"""The installation under load into which faults are injected, and the queries of their effects."""

import math
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import psycopg

from bench.faults.targets import Switched
from slamonitor.tests.installation import Installation

FULL_S = 3  # seconds in a row with every slot stored
SHOWS_WITHIN_S = 6  # slots that are dispatched already go on for a while
STORED_WITHIN_S = 2
PATIENCE_S = 90
HOLD_S = 3  # for which a check of each second speaks: 2.5 intervals, rounded up
FAILING = 5  # services whose target is always down, and as many whose target dies during the fault
SERVICE = "- {{id: {0}, name: {0}, endpoint_url: '{1}/{0}', check_interval: {2}, timeout: 900}}"

DOUBLED = """
    WITH checks AS (
        SELECT service_id, count(*) AS number, count(DISTINCT (checked_at, region)) AS slots
        FROM watch_server_logs WHERE service_id LIKE 'steady-%' GROUP BY service_id
    ), runs AS (
        SELECT service_id, sum(check_count) AS number FROM check_runs GROUP BY service_id
    ), requests AS (
        SELECT service_id, count(*) AS number FROM api_response_times WHERE is_final GROUP BY service_id
    )
    SELECT coalesce(sum(
        checks.number - checks.slots
        + abs(checks.number - coalesce(runs.number, 0) - state.run_count)
        + abs(checks.number - requests.number)
    ), 0)::bigint
    FROM checks
    JOIN service_state AS state USING (service_id)
    LEFT JOIN runs USING (service_id)
    LEFT JOIN requests USING (service_id)
"""

SLOTS = """
    SELECT extract(epoch FROM date_trunc('second', checked_at))::bigint, count(*) FROM watch_server_logs
    WHERE service_id LIKE 'steady-%%' AND checked_at >= date_trunc('second', %s::timestamptz) GROUP BY 1
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The effects of a fault in a stretch of time."""

    missing: int  # slots of the steady services without a row
    doubled: (
        int  # rows more than one for a slot; checks that runs count, and requests, more or less than there are rows
    )
    false_outages: int  # changes of steady services to down or degraded; their target answered all the time
    down_s: int  # in the ledger of one of them
    hidden_s: int  # operational in the ledger of a service whose target was down
    told_after_s: float  # from the end of the fault until a target that had died during it was reported down
    unknown_s: int
    expected_unknown_s: int  # from its rows alone: seconds for which no check speaks
    recovery_s: float  # from the end of the fault to the first of three seconds in a row without a gap

    def broken(self, recovers_within_s: float) -> list[str]:
        """Return the broken promises."""
        found = {
            f"{self.doubled} doubled": self.doubled,
            f"{self.false_outages} outages that did not happen": self.false_outages,
            f"{self.down_s} s called down": self.down_s,
            f"{self.hidden_s} s of outages called up": self.hidden_s,
            f"an outage told after {self.told_after_s:.1f} s": self.told_after_s > recovers_within_s,
            f"{self.unknown_s} s unknown where {self.expected_unknown_s} s were not seen": abs(
                self.unknown_s - self.expected_unknown_s
            )
            > 1,  # a second is cut at its edges
            f"full rate after {self.recovery_s:.1f} s": self.recovery_s > recovers_within_s,
        }
        return [words for words, is_broken in found.items() if is_broken]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running installation with services that are checked every second, against a target that always answers."""

    installation: Installation
    steady: int  # services
    steady_url: str
    crowd: int  # services that fail at once on command
    crowd_interval_ms: int
    crowd_target: Switched
    dead_target: Switched  # always fails
    dying_target: Switched  # fails on command, during a fault
    fault_s: int  # duration of the faults that last

    def load(self) -> None:
        self.dead_target.tell("fail")
        steady = (SERVICE.format(f"steady-{number:04}", self.steady_url, 1000) for number in range(self.steady))
        failing = (
            SERVICE.format(f"{name}-{number}", target.url, 1000)
            for name, target in (("dead", self.dead_target), ("dying", self.dying_target))
            for number in range(FAILING)
        )
        self._sync([*steady, *failing])
        self.told("dead", "mo")
        self.told("dying", "o")

    def told(self, name: str, status: str) -> float:
        """Wait until all services of a name have a status, and return the duration."""
        began = time.monotonic()
        have = "SELECT count(*) FROM services WHERE id LIKE %s AND status = %s"
        self.wait(
            lambda: self.installation.query(have, f"{name}-%", status) == [(FAILING,)],
            f"not all of {name} became {status}",
        )
        return time.monotonic() - began

    def set_crowd(self, *, is_active: bool) -> None:
        """Add the crowd, or pause it."""
        rest = f", is_active: {str(is_active).lower()}"  # always written: a missing key keeps its value
        self._sync(
            SERVICE.format(f"crowd-{number:04}", self.crowd_target.url, self.crowd_interval_ms).replace(
                "}", f"{rest}}}"
            )
            for number in range(self.crowd)
        )

    def wait_for_crowd(self, status: str) -> float:
        """Wait until the whole crowd has a status, and return the duration in seconds."""
        began = time.monotonic()
        having = "SELECT count(*) FROM services WHERE id LIKE 'crowd-%%' AND status = %s"
        self.wait(
            lambda: self.installation.query(having, status) == [(self.crowd,)], f"not all of the crowd became {status}"
        )
        return time.monotonic() - began

    def _sync(self, lines: Iterable[str]) -> None:
        self.installation.manage("sync_services", "-", text="\n".join(["services:", *lines]))

    def ask(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Query the database, again and again while it is away."""
        return self.wait(lambda: [self.installation.query(sql, *parameters)], "the database does not answer")[0]

    def wait(self, question: Callable[[], T], otherwise: str, patience_s: float = PATIENCE_S) -> T:
        """Query until the result is true, and return it. Raises AssertionError with a message after the deadline."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                if answer := question():
                    return answer
            except (psycopg.OperationalError, httpx.HTTPError):
                pass  # a server is away, as faults intend
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.2)

    def full_rate_at(self, since: datetime) -> datetime:
        """Return the end of the last second since then without all slots, once enough complete ones have followed.

        Slots are dispatched seconds ahead, so a fault shows late; this waits for it.
        """
        first = math.ceil(since.timestamp())

        def found() -> datetime | None:
            counts = dict(self.installation.query(SLOTS, since))
            newest = math.floor(time.time()) - STORED_WITHIN_S
            lacking = [second for second in range(first, newest) if counts.get(second, 0) < self.steady]
            last = lacking[-1] + 1 if lacking else first
            is_sure = newest >= max(first + SHOWS_WITHIN_S, last + FULL_S)
            return datetime.fromtimestamp(last, UTC) if is_sure else None

        recovered = self.wait(found, f"no full rate since {since:%H:%M:%S}")
        assert recovered is not None
        return recovered

    def kill(self, pattern: str, signum: signal.Signals = signal.SIGKILL, *, which: int = 0) -> int:
        """Send a signal to a process whose command line has the pattern, and return its id."""
        pids = self.wait(lambda: self.installation.processes(pattern), f"no process is {pattern!r}")
        os.kill(pids[which], signum)
        return pids[which]

    def evidence(self, begun: datetime, died: datetime, lifted: datetime) -> Evidence:
        """Wait for recovery, and collect the effects from `begun` on; `died`: when the dying target did."""
        self.told("dying", "mo")
        told_after_s = max(0.0, (datetime.now(UTC) - lifted).total_seconds())
        self.told("dead", "mo")
        recovered = self.full_rate_at(lifted)
        since, until = _whole(begun), recovered + timedelta(seconds=FULL_S)
        (stored,) = self.ask(
            "SELECT count(*) FROM watch_server_logs"
            " WHERE service_id LIKE 'steady-%%' AND checked_at >= %s AND checked_at < %s",
            since,
            until,
        )[0]
        ledger = self.wait(lambda: self._ledger("steady-0000", since, until), "the ledger cannot be read")
        hidden_s = self._hidden_s("dead-0", since, until)
        # The last good check still speaks for some seconds.
        hidden_s += self._hidden_s("dying-0", _whole(died) + timedelta(seconds=HOLD_S + 1), _whole(datetime.now(UTC)))
        self.dying_target.tell("answer")
        self.told("dying", "o")
        return Evidence(
            missing=self.steady * round((until - since).total_seconds()) - stored,
            doubled=self._doubled(),
            false_outages=self.ask(
                "SELECT count(*) FROM transitions"
                " WHERE service_id LIKE 'steady-%%' AND to_status IN ('mo', 'po') AND created_at >= %s",
                begun,
            )[0][0],
            down_s=ledger["down"],
            hidden_s=hidden_s,
            told_after_s=told_after_s,
            unknown_s=ledger["unknown"],
            expected_unknown_s=self._unseen_s(since, until),
            recovery_s=max(0.0, (recovered - lifted).total_seconds()),
        )

    def _ledger(self, service_id: str, since: datetime, until: datetime) -> dict[str, int]:
        window = f"from={since:%Y-%m-%dT%H:%M:%SZ}&to={until:%Y-%m-%dT%H:%M:%SZ}"
        answer = self.installation.page(f"services/{service_id}/ledger.json?{window}").json()
        seconds: dict[str, int] = answer["seconds"]
        return seconds

    def _hidden_s(self, service_id: str, since: datetime, until: datetime) -> int:
        """Return the seconds for which a service is operational although its target was down."""
        ledger = self.wait(lambda: self._ledger(service_id, since, until), "the ledger cannot be read")
        return ledger["operational"] + ledger["partial"]

    def _doubled(self) -> int:
        """Return by how much the checks counted in runs, and the requests, differ from the rows of checks."""
        return int(self.ask(DOUBLED)[0][0])

    def _unseen_s(self, since: datetime, until: datetime) -> int:
        """Return the seconds in [since, until) for which no check of one service speaks, from its rows."""
        rows = self.ask(
            "SELECT floor(extract(epoch FROM checked_at))::bigint FROM watch_server_logs"
            " WHERE service_id = 'steady-0000' AND checked_at >= %s AND checked_at < %s ORDER BY 1",
            since - timedelta(seconds=120),
            until,
        )
        seen = [row[0] for row in rows]
        first, last = int(since.timestamp()), int(until.timestamp())
        covered = {second for at in seen for second in range(max(first, at), min(last, at + HOLD_S))}
        return last - first - len(covered)


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)
