"""Work on whole days: update today's figures, account closed days, compress old days. One after the other.

Each may take most of a minute, and an engine has few threads, which ticks and results need every second. So all of this
work shares a single thread.
"""

import logging
import time
from collections.abc import Callable, Mapping

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from monitoring.accounting import compressing, day_zones, rollup, rollup_requests
from monitoring.accounting.today import refresh_today
from monitoring.config import clock

logger = logging.getLogger(__name__)

REFRESHES_FOR_S = 15  # with tens of thousands of services, a row of today is then updated every few minutes
ACCOUNTS_FOR_S = 25
ROUND_S = 50  # of a minute, so that the next round begins on time
LEAST_COMPRESSION_S = 10  # or a large backlog of days to account would keep old days from being compressed

Step = Callable[[float], object]  # its argument is the monotonic time at which the round began


def run(steps: Mapping[str, Step] | None = None) -> None:
    """Do one round. A failing step does not prevent the others; the first exception is raised at the end.

    Must not run in a transaction.
    """
    began, failures = time.monotonic(), list[Exception]()
    for name, step in (STEPS if steps is None else steps).items():
        try:
            step(began)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            logger.exception("work on days failed", extra={"step": name})
            failures.append(error)
    if failures:
        raise failures[0]


def keep_today(began: float) -> None:
    day_zones.require(settings.PAGE_TIME_ZONE)
    refresh_today(clock.now(), settings.PAGE_TIME_ZONE, budget_s=REFRESHES_FOR_S)


def account(began: float) -> None:
    day_zones.require(settings.PAGE_TIME_ZONE)
    rollup_requests.plan(clock.now(), settings.PAGE_TIME_ZONE)
    rollup.work_off_all(settings.PAGE_TIME_ZONE, budget_s=ACCOUNTS_FOR_S)


def compress(began: float) -> None:
    compressing.compress_due(clock.now(), settings.PAGE_TIME_ZONE, budget_s=left_s(time.monotonic() - began))


def left_s(spent_s: float) -> float:
    """Return for how long a round may still compress days."""
    return max(LEAST_COMPRESSION_S, ROUND_S - spent_s)


STEPS: Mapping[str, Step] = {"today": keep_today, "closed days": account, "old days": compress}
