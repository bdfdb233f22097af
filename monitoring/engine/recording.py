"""Record a batch of results in one short transaction: raw rows, states, runs, transitions.

Recording is idempotent: only rows that were new to `watch_server_logs` are processed further, so a batch that is
delivered twice, in whole or in part, is stored and counted once.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from psycopg.errors import CheckViolation

from database.locks import wait_briefly
from monitoring.checks.storing import decompress_late, kept, make_partitions, presentable, store
from monitoring.config.clock import AHEAD
from monitoring.engine import blindness
from monitoring.engine.blindness import Sight
from monitoring.engine.folding import fold_all
from monitoring.probes.model import ProbeResult, Verdict
from monitoring.rules.unix_time import from_ms
from monitoring.states import counters, future
from monitoring.worker import check_log
from monitoring.worker.canaries import Look

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The outcome of recording a batch."""

    new: Sequence[ProbeResult]  # the stored ones, in order of time
    duplicates: int
    refused: int  # long past
    ahead: int  # refused because their instant is in the future
    changes: int

    @property
    def stored(self) -> int:
        return len(self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The number of results that are refused because their time is too old or in the future."""

    past: int
    ahead: int


def record(results: Sequence[ProbeResult], now: datetime, look: Look | None = None) -> Recorded:
    """Store the results that are new, and update states, runs and transitions.

    `look` is the result of the worker's canaries when the batch was complete.
    """
    told = [result for result in results if from_ms(result.checked_at_ms) <= now + AHEAD]
    taken = [presentable(result) for result in told if from_ms(result.checked_at_ms) > now - kept()]
    refused = Refused(ahead=len(results) - len(told), past=len(told) - len(taken))
    try:
        return _record(taken, refused, now, look)
    except IntegrityError as error:
        # Partitions are created in advance, so they are not checked each time; PostgreSQL raises when one is missing.
        if not isinstance(error.__cause__, CheckViolation) or not make_partitions(taken):
            raise
    except future.StatesAhead as found:
        future.correct(found.service_ids, now)
    return _record(taken, refused, now, look)


@transaction.atomic
def _record(taken: Sequence[ProbeResult], refused: Refused, now: datetime, look: Look | None) -> Recorded:
    wait_briefly()  # when a raw table is locked, the batch returns to its queue
    decompress_late(taken, now)
    sights = blindness.judge(taken, look, now=now)
    blind = {region: look.canaries for region, sight in sights.items() if look and sight is Sight.BLIND}
    new = store(taken, blind)
    duplicates = len(taken) - len(new)
    if duplicates:  # or a clock that was ahead measured their instants before
        future.refuse({result.service_id for result in taken}, now)
    check_log.tell_recorded(new)
    told = [result for result in new if result.verdict is not Verdict.BAD or result.region not in blind]
    changes = fold_all(told, now, {region for region, sight in sights.items() if sight is Sight.DOUBTFUL})
    _count_refused(refused)
    return Recorded(new=new, duplicates=duplicates, refused=refused.past, ahead=refused.ahead, changes=changes)


def _count_refused(refused: Refused) -> None:
    if refused.past:
        logger.error("results refused: their time is long past", extra={"refused": refused.past})
        counters.add("results_refused", refused.past)
    if refused.ahead:
        logger.error(
            "results refused: their time is yet to come, so a clock is wrong", extra={"refused": refused.ahead}
        )
        counters.add("results_ahead", refused.ahead)
