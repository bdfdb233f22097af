"""Gather what is known of an outage when its incident is drafted; it is stored with the affected service.

The evidence stays as it was, when the raw checks are compressed or deleted.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection

from database.bulk import array
from database.sql import statement
from incidents.outages.joining import TOGETHER, Circle
from incidents.outages.tracking import Track
from incidents.outages.watched import Watched
from monitoring.models import RegionState, Transition

CHECKS = 10
LOOK_BACK = timedelta(days=2)  # of the last checks, which a service that is checked once a day has too
MOST_SIBLINGS = 20
MOST_ANCESTORS = 20
Deployments = Callable[[Mapping[str, datetime]], Mapping[str, Mapping[str, Any]]]
_deployments: list[Deployments] = []


def register_deployments(source: Deployments) -> None:
    """Register a source of deployments: from service ids with instants to the last deployment before, if known.

    The values by service id are stored as JSON in `deployment`.
    """
    _deployments.append(source)


def gather(
    tracks: Mapping[str, Track], services: Mapping[str, Watched], circles: Iterable[Circle], now: datetime
) -> dict[str, dict[str, Any]]:
    """Return the evidence of outages by service id. Two queries, and those of the sources of deployments."""
    siblings = dict(pair for circle in circles for pair in _siblings(circle))
    checks, regions = _last_checks(tracks, now), _regions([id for id in tracks if len(services[id].regions) > 1])
    deployed: dict[str, Mapping[str, Any]] = {}
    for source in _deployments:
        deployed |= source({id: track.failed_at for id, track in tracks.items()})
    return {
        id: {
            **_of_transition(track),
            "regions": regions.get(id) or {region: "bad" for region in services[id].regions},
            **siblings.get(id, {}),
            "checks": checks[id],
            "deployment": deployed.get(id),
        }
        for id, track in tracks.items()
    }


def ancestors_of(service_ids: Collection[str]) -> dict[str, list[str]]:
    """Return the parent of each service, the parent of that, and so on. One query, none without services."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    if not service_ids:
        return found
    with connection.cursor() as cursor:
        values: dict[str, str | int] = {"service_ids": array(service_ids), "most": MOST_ANCESTORS}
        cursor.execute(statement("incidents", "ancestors"), values)
        for service_id, ancestor_id in cursor.fetchall():
            if ancestor_id != service_id:
                found[service_id].append(ancestor_id)
    return found


def _of_transition(track: Track) -> dict[str, Any]:
    confirmed = track.confirmed
    assert isinstance(confirmed, Transition)
    said = confirmed.evidence
    return {
        "transition_id": confirmed.pk,
        "last_good_at": confirmed.edge_start_at and confirmed.edge_start_at.isoformat(),
        "first_bad_at": confirmed.edge_end_at.isoformat(),
        "confirmed_at": confirmed.created_at.isoformat(),
        "region": said.get("region"),
        "error_type": said.get("error_type"),
        "message": said.get("error_message"),
        "status_code": said.get("status_code"),
        "trace_id": said.get("trace_id"),
        "is_late": bool(said.get("is_late")),
    }


def _siblings(circle: Circle) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the others of its incident that failed within two minutes of each new outage; the first ones by name."""
    failures = sorted(circle.failures, key=lambda each: each.failed_at)
    times = [each.failed_at for each in failures]
    for failure in circle.joined:
        start, end = bisect_left(times, failure.failed_at - TOGETHER), bisect_right(times, failure.failed_at + TOGETHER)
        named = (each.service_id for each in failures[start:end] if each.service_id != failure.service_id)
        yield failure.service_id, {"siblings": list(islice(named, MOST_SIBLINGS)), "sibling_count": end - start - 1}


def _last_checks(tracks: Mapping[str, Track], now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Return the last checks of each service, oldest first. One query."""
    found: dict[str, list[dict[str, Any]]] = {id: [] for id in tracks}
    values: dict[str, str | int] = {
        "service_ids": array(tracks),
        "sinces": array(track.failed_at - LOOK_BACK for track in tracks.values()),
        "untils": array(track.recovered_at or max(now, track.failed_at) for track in tracks.values()),
        "most": CHECKS,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("incidents", "last_checks"), values)
        for id, at, region, verdict, ms, code, kind, message in cursor.fetchall():
            check = {"at": at.isoformat(), "region": region, "verdict": verdict, "code": code}
            check["ms"] = None if ms is None else round(ms, 1)
            found[id].append({**check, "class": kind, "message": message})
    for checks in found.values():
        checks.sort(key=lambda check: (str(check["at"]), str(check["region"])))
    return found


def _regions(service_ids: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the newest verdict of each region, by service. One query."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    rows = RegionState.objects.filter(service__in=service_ids).order_by("region")
    for service_id, region, verdict in rows.values_list("service_id", "region", "verdict"):
        found[service_id][region] = verdict
    return found
