"""Tell our own network's failures from those of services: when no canary answers and most services fail, we are blind.

Bad checks of a blind region are stored, marked, and fold into nothing: no outage opens, and the services become unknown
as their last good checks cease to speak. When every region in use is blind, a span says so. Until it is decided, bad
checks count but open no outage. Judging a batch twice changes nothing: what is kept is the newest word of each service.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from database.locks import lock_in_transaction, wait_briefly
from monitoring.accounting.amendments import keep_span
from monitoring.config.clock import AHEAD
from monitoring.models import RegionSight, Service, Span, SpanKind
from monitoring.probes.model import ProbeResult, Verdict
from monitoring.rules.unix_time import from_ms
from monitoring.worker.canaries import Look

logger = logging.getLogger(__name__)

FEWEST_SERVICES = 3  # must fail (or all, where there are fewer) before it is called our network
CANARIES_SILENT_FOR = timedelta(seconds=4)  # no canary must have answered for so long: less than a re-check takes
FAILURES_LOOK_BACK = timedelta(seconds=60)  # a check that timed out was due before the canaries were asked
KEPT_VERDICTS = 200
SIGHT_FORGOTTEN_AFTER = timedelta(seconds=60)  # a worker that says nothing any more says nothing of its network either


class Sight(Enum):
    """What a bad check from a region is worth."""

    CLEAR = "clear"
    DOUBTFUL = "doubtful"  # no canary answers, and it is not clear whose fault that is
    BLIND = "blind"


def judge(
    results: Sequence[ProbeResult], look: Look | None, regions: Sequence[str] = (), *, now: datetime
) -> dict[str, Sight]:
    """Return the sight of the regions of a batch (and of `regions`), by what the canaries of its worker say.

    A look in the future says nothing: it would be the newest word for as long as its clock was ahead. Must run in a
    transaction. No query without canaries; a cheap one per region while they answer.
    """
    if look is None or from_ms(look.looked_at_ms) > now + AHEAD:
        return {}
    by_region: defaultdict[str, list[ProbeResult]] = defaultdict(list, {region: [] for region in regions})
    for result in results:
        by_region[result.region].append(result)
    # In order: whoever judges several regions locks them in the same one.
    return {region: _judge(region, by_region[region], look, now) for region in sorted(by_region)}


@transaction.atomic
def forget(now: datetime) -> int:
    """End the blindness of regions whose workers fell silent, at their last word; return how many there were.

    So does what a region said in the future, before a clock was set right.
    """
    wait_briefly()
    silent = RegionSight.objects.filter(failing_since__isnull=False, failed_at__lt=now - SIGHT_FORGOTTEN_AFTER)
    ahead = RegionSight.objects.filter(Q(failed_at__gt=now + AHEAD) | Q(answered_at__gt=now + AHEAD))
    found = list((silent | ahead).order_by("region").select_for_update())
    for sight in found:
        _forget_future(sight, now)
        sight.save()
        _clear(sight, sight.failed_at or now, now)
    return len(found)


def _forget_future(sight: RegionSight, now: datetime) -> None:
    """Take back to now what a locked sight says of later; what is left may be judged by."""
    for name in ("failing_since", "failed_at", "answered_at", "blind_since"):
        at = getattr(sight, name)
        if at is not None and at > now + AHEAD:
            setattr(sight, name, None if name == "answered_at" else now)


def _judge(region: str, results: Sequence[ProbeResult], look: Look, now: datetime) -> Sight:
    at = from_ms(look.looked_at_ms)
    if look.has_answer:
        failing = Q(failed_at__lt=at) | Q(failed_at__gt=now + AHEAD)
        if RegionSight.objects.filter(failing, region=region, failing_since__isnull=False).exists():
            _clear(RegionSight.objects.select_for_update().get(region=region), at, now)
        return Sight.CLEAR
    RegionSight.objects.bulk_create([RegionSight(region=region)], ignore_conflicts=True)
    sight = RegionSight.objects.select_for_update().get(region=region)
    _forget_future(sight, now)
    if sight.answered_at is not None and at <= sight.answered_at:
        return Sight.CLEAR  # an old batch that was delivered late
    sight.failing_since = min(sight.failing_since or at, at)
    sight.failed_at = max(sight.failed_at or at, at)
    sight.canaries = look.canaries
    decided = Sight.BLIND if sight.blind_since else _decide(sight, results)
    if decided is Sight.BLIND and sight.blind_since is None:
        _go_blind(sight, now)
    sight.save()
    return decided


def _decide(sight: RegionSight, results: Sequence[ProbeResult]) -> Sight:
    """Weigh the newest check of each service that can tell: bad ones, and good ones begun since the canaries fail."""
    assert sight.failing_since and sight.failed_at
    for result in results:
        at = from_ms(result.checked_at_ms)
        is_bad = result.verdict is Verdict.BAD
        if (at > sight.failing_since - FAILURES_LOOK_BACK) if is_bad else (at > sight.failing_since):
            was_bad, since = sight.verdicts.get(result.service_id, (False, ""))
            sight.verdicts[result.service_id] = [is_bad, since if is_bad and was_bad else at.isoformat()]
    sight.verdicts = dict(list(sight.verdicts.items())[-KEPT_VERDICTS:])
    bad = sum(is_bad for is_bad, _ in sight.verdicts.values())
    needed = _needed(sight.region)
    if bad >= needed and 2 * bad > len(sight.verdicts) and sight.failed_at - sight.failing_since >= CANARIES_SILENT_FOR:
        return Sight.BLIND
    is_canaries_fault = len(sight.verdicts) >= needed and 2 * bad <= len(sight.verdicts)
    return Sight.CLEAR if is_canaries_fault else Sight.DOUBTFUL


def _needed(region: str) -> int:
    probed = Service.objects.monitored().filter(phase_ms__isnull=False, regions__contains=[region])
    return max(1, len(probed.values_list("id")[:FEWEST_SERVICES]))


def _go_blind(sight: RegionSight, now: datetime) -> None:
    """Begin with the first check that failed, and tell the operator once.

    Not with the canaries: they may have failed for hours in which services answered.
    """
    sight.blind_since = min(datetime.fromisoformat(at) for is_bad, at in sight.verdicts.values() if is_bad)
    logger.error(
        "our own network seems down: no canary answers and most services fail",
        extra={"region": sight.region, "since": sight.blind_since.isoformat(), "canaries": sight.canaries},
    )
    sight.verdicts = {}
    sight.save()
    lock_in_transaction("blind span")
    used = {region for each in Service.objects.monitored().values_list("regions", flat=True) for region in each}
    blind = dict(RegionSight.objects.exclude(blind_since=None).values_list("region", "blind_since"))
    if used <= blind.keys() and not _open_spans().exists():
        reason = f"Our own network: no answer from {sight.canaries}"
        span = Span(kind=SpanKind.BLIND, since=max(at for at in blind.values() if at), reason=reason)
        keep_span(span, now=now, zone=settings.PAGE_TIME_ZONE)


def _clear(sight: RegionSight, at: datetime, now: datetime) -> None:
    """Let a locked region see again, from an instant on."""
    if sight.failed_at is None or (sight.answered_at is not None and sight.failing_since is None):
        return  # somebody was quicker
    was_blind = sight.blind_since is not None
    sight.failing_since = sight.blind_since = None
    sight.answered_at, sight.verdicts = at, {}
    sight.save()
    if not was_blind:
        return
    logger.warning("our own network is back", extra={"region": sight.region, "at": at.isoformat()})
    lock_in_transaction("blind span")
    for span in _open_spans():
        span.until = max(at, span.since + timedelta(milliseconds=1))
        keep_span(span, now=now, zone=settings.PAGE_TIME_ZONE)


def _open_spans() -> QuerySet[Span]:
    return Span.objects.filter(kind=SpanKind.BLIND, service=None, until=None)


def is_blind() -> bool:
    """Say whether no region in use sees anything, so that nothing can reach us either. One query."""
    return _open_spans().exists()
