"""Distinguish failures of our own network from those of services.

A region is blind when none of its canaries answers and most services fail there. Its bad checks are stored with a mark
and do not change any state: no outage opens, and a service becomes unknown once its last good check no longer counts.
When every region in use is blind, a span records it. While blindness is undecided, bad checks count but open no outage.
Judging a batch twice changes nothing, because only the newest check of each service is kept.
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

FEWEST_SERVICES = 3  # must fail (or all, if there are fewer) before a region is blind
CANARIES_SILENT_FOR = timedelta(seconds=4)  # so long without an answer; less than a recheck takes
FAILURES_LOOK_BACK = timedelta(seconds=60)  # a check that timed out was due before the canaries were probed
KEPT_VERDICTS = 200
SIGHT_FORGOTTEN_AFTER = timedelta(seconds=60)  # the look of a worker that is silent for so long is ignored


class Sight(Enum):
    """How bad checks from a region are treated."""

    CLEAR = "clear"
    DOUBTFUL = "doubtful"  # no canary answers, but it is not clear whether our network is the cause
    BLIND = "blind"


def judge(
    results: Sequence[ProbeResult], look: Look | None, regions: Sequence[str] = (), *, now: datetime
) -> dict[str, Sight]:
    """Return the sight of each region of a batch, and of `regions`, as judged by the canaries of its worker.

    A look from the future is ignored, because no later look would replace it until that time. Must run in a
    transaction. No query without canaries; a cheap one per region while they answer.
    """
    if look is None or from_ms(look.looked_at_ms) > now + AHEAD:
        return {}
    by_region: defaultdict[str, list[ProbeResult]] = defaultdict(list, {region: [] for region in regions})
    for result in results:
        by_region[result.region].append(result)
    # All processes lock regions in this order, so they cannot deadlock.
    return {region: _judge(region, by_region[region], look, now) for region in sorted(by_region)}


@transaction.atomic
def forget(now: datetime) -> int:
    """End the blindness of regions whose workers are silent, as of their last look; return how many there were.

    Looks from the future, reported by a clock that was ahead, are dropped as well.
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
    """Drop the part of a locked sight that is after `now`, so that the rest can be used."""
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
    """Decide by the newest check of each service: bad ones, and good ones that began after the canaries failed."""
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
    """Mark a region as blind since its first failed check, and log it once.

    The failure of the canaries is not the start: services may have answered for hours after it.
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
    """End the blindness of a locked region at an instant."""
    if sight.failed_at is None or (sight.answered_at is not None and sight.failing_since is None):
        return  # another process was faster
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
    """Return whether every region in use is blind, in which case pings cannot reach us either. One query."""
    return _open_spans().exists()
