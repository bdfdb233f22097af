"""A made-up past is folded as the engine folds checks."""

import itertools
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from monitoring.probes.model import Verdict
from monitoring.rules.state import Policy, Run, Status, join
from slamonitor.demo.behaviours import Answer, Kind, answer
from slamonitor.demo.outages import lasting_outages, outages
from slamonitor.demo.past import Past, make_up

SINCE = datetime(2025, 3, 10, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=10)
POLICY = Policy()


def past_of(kind: Kind) -> Past:
    return make_up(
        lambda at: answer(kind, at), since=SINCE, until=UNTIL, phase_ms=lambda interval_ms: 1_234, policy=POLICY
    )


def down_between(begin_min: int, end_min: int) -> Past:
    def ask(at: datetime) -> Answer:
        is_down = begin_min <= (at - SINCE) / timedelta(minutes=1) < end_min
        return Answer(HTTPStatus.SERVICE_UNAVAILABLE if is_down else HTTPStatus.OK, 20.0)

    return make_up(ask, since=SINCE, until=SINCE + timedelta(days=1), phase_ms=lambda interval_ms: 0, policy=POLICY)


def test_every_slot_has_one_check_and_first_failures_are_checked_again() -> None:
    past = past_of(Kind.FLAPPING)
    instants = [check.at for check in past.checks]
    rechecked = [b for a, b in itertools.pairwise(instants) if b - a == timedelta(seconds=5)]

    assert instants == sorted(set(instants))
    assert len(instants) - len(rechecked) == 2 * 144 + 8 * 2_880
    assert len(rechecked) > 50


def test_runs_equal_the_checks_encoded_again() -> None:
    for kind in Kind:
        past = past_of(kind)
        encoded, current = [], None
        for check in past.checks:
            current, closed = join(current, Run.of(check.verdict, check.at, POLICY.hold_s(check.interval_ms)))
            encoded += [closed] if closed else []

        assert past.runs == encoded
        assert past.state.run == current
        assert sum(run.check_count for run in past.runs) + current.check_count == len(past.checks)


def test_the_evening_is_degraded_and_never_down() -> None:
    past = past_of(Kind.EVENING)

    assert {check.verdict for check in past.checks} == {Verdict.OK, Verdict.SLOW}
    assert {change.to_status for change, _check in past.changes} == {Status.OPERATIONAL, Status.PARTIAL}


def test_an_outage_lasts_from_the_first_failed_check_to_the_first_good_one() -> None:
    past = down_between(601, 632)

    assert list(outages(past, UNTIL)) == [(SINCE + timedelta(minutes=601), SINCE + timedelta(minutes=632))]


def test_only_past_and_long_outages_are_reported() -> None:
    assert len(lasting_outages(past_of(Kind.TWICE_A_WEEK), UNTIL)) in (2, 3, 4)
    assert lasting_outages(down_between(1400, 9999), SINCE + timedelta(days=1)) == []
