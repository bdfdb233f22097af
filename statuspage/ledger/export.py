"""The ledger for programs and spreadsheets, with the same public content as the page."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from incidents.models import Incident
from monitoring.accounting.ledger import Entry, LateEntry, Ledger, Reading
from monitoring.models import Restatement, UptimeRecordVersion
from monitoring.rules.sla import Figures, Kind, percentage

COLUMNS = (
    "service",
    "reading",
    "kind",
    "from",
    "to",
    "seconds",
    "cause",
    "last_good_at",
    "first_bad_at",
    "incidents",
    "at_least_s",
    "at_most_s",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the full-width ones occur in East Asian text
BYTE_ORDER_MARK = "\ufeff"  # without it a spreadsheet misreads Korean


def document(found: Ledger, incidents: Sequence[Incident], *, with_messages: bool = False) -> dict[str, Any]:
    """Return the ledger as values for JSON; the intervals sum to the window, as far as it is accounted.

    `with_messages` adds error messages and the names of people, for readers with an account.
    """
    return {
        "service": {"id": found.service.id, "name": str(found.service)},
        "from": _iso(found.start_at),
        "to": _iso(found.end_at),
        "accounted_until": _iso(found.accounted_until),
        "time_zone": settings.PAGE_TIME_ZONE.key,
        "policies": [
            {
                "name": each.version.name,
                "version": each.version.version,
                "effective_on": each.version.effective_on.isoformat(),
                "failure_threshold": each.rules.failure_threshold,
                "recovery_threshold": each.rules.recovery_threshold,
                "maintenance_notice_hours": each.version.maintenance_notice_hours,
                "late_maintenance": each.version.late_maintenance,
            }
            for each in found.terms
        ],
        "sample_days": found.sample_days,
        **_reading(found.official, incidents, with_messages),
        "as_measured": _reading(found.measured, incidents, with_messages) if found.measured else None,
        "restatements": [_restatement(row, with_names=with_messages) for row in found.restatements],
        "entered_late": [_late(each, with_names=with_messages) for each in found.late],
        "earlier_figures": [_earlier(row) for row in found.earlier],
    }


def _restatement(row: Restatement, *, with_names: bool) -> dict[str, Any]:
    names = {"proposed_by": _name(row.proposed_by), "decided_by": _name(row.decided_by)} if with_names else {}
    return {
        "from": _iso(row.since),
        "to": _iso(row.until),
        "as": row.restated_as,
        "reason": row.reason,
        "proposed_at": _iso(row.proposed_at),
        "decided_at": _iso(row.decided_at),
        "is_self_approved": row.is_self_approved,
        **names,
    }


def _late(entry: LateEntry, *, with_names: bool) -> dict[str, Any]:
    return {
        "kind": str(entry.kind),
        "from": _iso(entry.start_at),
        "to": _iso(entry.end_at),
        "seconds": entry.seconds,
        "is_withdrawn": entry.is_withdrawn,
        "is_counted": entry.is_counted,
        "entered_at": _iso(entry.entered_at),
        "reason": entry.reason,
        **({"entered_by": entry.by or None} if with_names else {}),
    }


def _earlier(row: UptimeRecordVersion) -> dict[str, Any]:
    return {
        "date": row.date.isoformat(),
        "until": _iso(row.replaced_at),
        "cause": row.cause,
        "status": row.status,
        "uptime": _decimal(row.uptime_percentage),
        "coverage": _decimal(row.coverage_percentage),
        "seconds": {str(kind): getattr(row, f"{kind}_s") for kind in Kind},
    }


def _name(user: object) -> str | None:
    return str(user) if user else None


def _decimal(percent: Decimal | None) -> str | None:
    return None if percent is None else f"{percent:.2f}"


def table(found: Ledger, incidents: Sequence[Incident]) -> str:
    """Return the ledger as CSV: one line per interval, first as published and then, if that differs, as measured."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    readings = [("published", found.official), *([("measured", found.measured)] if found.measured else [])]
    for name, reading in readings:
        for entry in reading.entries:
            row = _entry(entry, incidents)
            row["incidents"] = "; ".join(row["incidents"])
            values = (found.service.id, name, *row.values())
            writer.writerow([_safe(value) for value in values])
    return BYTE_ORDER_MARK + text.getvalue()


def touching(entry: Entry, incidents: Iterable[Incident]) -> list[Incident]:
    """Return the incidents that were open in an interval that was not fully operational."""
    if entry.kind in (Kind.OPERATIONAL, Kind.EMPTY, Kind.PAUSED):
        return []
    return [
        incident
        for incident in incidents
        if incident.started_at < entry.end_at
        and (incident.resolved_at is None or incident.resolved_at > entry.start_at)
    ]


def _reading(reading: Reading, incidents: Sequence[Incident], with_messages: bool) -> dict[str, Any]:
    return {
        "figures": _figures(reading.figures),
        "seconds": {str(kind): seconds for kind, seconds in reading.seconds.items()},
        "down": reading.down._asdict(),
        "days": [
            {
                "date": day.date.isoformat(),
                "status": day.status,
                "uptime": percentage(day.figures.uptime),
                "coverage": percentage(day.figures.coverage),
                "seconds": {str(kind): seconds for kind, seconds in day.seconds.items()},
                "policy_version": day.policy.version,
            }
            for day in reading.days
        ],
        "intervals": [
            _entry(entry, incidents) | ({"message": entry.error_message or None} if with_messages else {})
            for entry in reading.entries
        ],
    }


def _figures(figures: Figures) -> dict[str, str | None]:
    """Write figures as decimal text: a float would round them."""
    return {name: percentage(getattr(figures, name)) for name in ("uptime", "coverage", "lower", "upper")}


def _entry(entry: Entry, incidents: Iterable[Incident]) -> dict[str, Any]:
    return {
        "kind": str(entry.kind),
        "from": _iso(entry.start_at),
        "to": _iso(entry.end_at),
        "seconds": entry.seconds,
        "cause": str(entry.why or entry.error_type) or None,
        "last_good_at": _iso(entry.last_good_at),
        "first_bad_at": _iso(entry.first_bad_at),
        "incidents": [incident.title for incident in touching(entry, incidents)],
        "at_least_s": entry.bounds.at_least_s if entry.bounds else None,
        "at_most_s": entry.bounds.at_most_s if entry.bounds else None,
    }


def _safe(value: object) -> object:
    """Escape text that a spreadsheet would take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None
