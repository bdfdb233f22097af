"""Log checks under the trace id that is sent to their target, so that one id finds all lines of a check.

Failures are logged at info, all else at debug, because there may be thousands of checks a second.
"""

import logging
from collections.abc import Sequence

from monitoring.probes.model import ProbeResult, Verdict
from monitoring.rules.unix_time import from_ms
from monitoring.worker.specs import trace_id
from observability.events import Action, Subject, tell

logger = logging.getLogger(__name__)

MOST_FAILURES_NAMED = 10  # failures of one batch, to limit the log when everything fails


def tell_made(results: Sequence[ProbeResult]) -> None:
    """Log a batch that a worker has probed."""
    failed = [result for result in results if result.verdict is Verdict.BAD]
    for result in failed[:MOST_FAILURES_NAMED]:
        _tell(Action.FAILED, result, logging.INFO)
    if len(failed) > MOST_FAILURES_NAMED:
        logger.info("further checks failed", extra={"checks": len(failed) - MOST_FAILURES_NAMED})
    if logger.isEnabledFor(logging.DEBUG):
        for result in results:
            if result.verdict is not Verdict.BAD:
                _tell(Action.COMPLETED, result, logging.DEBUG)


def tell_recorded(results: Sequence[ProbeResult]) -> None:
    """Log, at debug, the checks that were new to the database."""
    if logger.isEnabledFor(logging.DEBUG):
        for result in results:
            _tell(Action.CREATED, result, logging.DEBUG)


def _tell(action: Action, result: ProbeResult, level: int) -> None:
    tell(
        Subject.CHECK,
        action,
        level=level,
        service_id=result.service_id,
        region=result.region,
        checked_at=from_ms(result.checked_at_ms).isoformat(),
        verdict=result.verdict,
        error_type=result.error_type,
        error_message=result.error_message,
        duration_ms=result.phases.total_ms,
        # A probe worker may not have the key that ids are derived with.
        trace_id=result.trace_id or trace_id(result.service_id, result.region, result.checked_at_ms),
    )
