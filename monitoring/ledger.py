"""The ledger of a service: the ordered intervals behind its figures in a window, which sum exactly to it.

Every stretch is accounted under the policy version that is in force in it, from evidence that is fetched once. Days are
cut out of the same intervals, so that window, days and stored rows cannot differ.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum

from monitoring import accounting, sla
from monitoring.accounting import Account, Evidence
from monitoring.calendar_days import bounds, day_of, days_between
from monitoring.models import Restatement, Service, Transition, UptimeRecord
from monitoring.models.policies import AccountingPolicy, PolicyBook
from monitoring.rollup import status_of
from monitoring.sla import Figures, Interval, Kind, SpanKind
from monitoring.state import Policy, Status


class Why(StrEnum):
    """Why an interval is accounted as it is, where that is not just what the checks said."""

    NO_CHECKS = "no_checks"
    BLIND = "blind"
    RESTATED = "restated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One interval of one kind."""

    kind: Kind
    start_at: datetime
    end_at: datetime
    why: Why | None = None
    error_type: str = ""  # of an outage, where it is known; as the three below
    error_message: str = ""  # for people who are signed in
    last_good_at: datetime | None = None
    first_bad_at: datetime | None = None

    @property
    def seconds(self) -> int:
        return int((self.end_at - self.start_at).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDay:
    """A calendar day, or the part of it that lies in the window."""

    date: date
    status: str
    seconds: dict[Kind, int]
    figures: Figures
    policy: AccountingPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The window read in one way."""

    entries: Sequence[Entry]
    seconds: dict[Kind, int]
    figures: Figures
    days: Sequence[LedgerDay]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    service: Service
    start_at: datetime
    end_at: datetime  # of the window
    accounted_until: datetime  # earlier than the end where that is yet to come
    official: Reading  # with approved restatements: the figures that are published
    measured: Reading | None  # without them; None: none touches the window
    policies: Sequence[AccountingPolicy]  # in force in the window, in order
    restatements: Sequence[Restatement]  # approved ones that touch it, in the order of approval
    sample_days: int  # stored days of the window that are made up


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """Days in a row under one version of the policy."""

    start: datetime
    end: datetime
    version: AccountingPolicy
    rules: Policy


def read(service: Service, start: datetime, end: datetime, now: datetime, zone: tzinfo) -> Ledger:
    """Account a window of a service. Eight queries, however long it is. Raises ValueError when it is empty."""
    if start >= end:
        raise ValueError(f"the window is empty: {start} to {end}")
    stretches = list(_stretches(service, start, end, zone))
    found = accounting.evidence([service], start, end, [s.rules for s in stretches])[service.id]
    outages = _outages(service.id, start, end)
    restatements = _restatements(service.id, start, end)
    return Ledger(
        service=service,
        start_at=start,
        end_at=end,
        accounted_until=max(start, min(end, now.replace(microsecond=0))),
        official=_reading(service, found, stretches, outages, now, zone, as_measured=False),
        measured=_reading(service, found, stretches, outages, now, zone, as_measured=True) if restatements else None,
        policies=list({stretch.version.pk: stretch.version for stretch in stretches}.values()),
        restatements=restatements,
        sample_days=_sample_days(service.id, start, end, zone),
    )


def _stretches(service: Service, start: datetime, end: datetime, zone: tzinfo) -> Iterator[_Stretch]:
    """Cut the window where the policy changes. One query."""
    book, held = PolicyBook(), None
    for day in days_between(day_of(start, zone), day_of(end - timedelta(microseconds=1), zone)):
        version = book.in_force(service.policy_name, day)
        day_start, day_end = bounds(day, zone)
        if held is not None and held.version.pk == version.pk:
            held = _Stretch(start=held.start, end=min(end, day_end), version=version, rules=held.rules)
            continue
        if held is not None:
            yield held
        rules = accounting.policy_of(service, version)
        held = _Stretch(start=max(start, day_start), end=min(end, day_end), version=version, rules=rules)
    if held is not None:
        yield held


def _reading(
    service: Service,
    found: Evidence,
    stretches: Sequence[_Stretch],
    outages: Sequence[Transition],
    now: datetime,
    zone: tzinfo,
    *,
    as_measured: bool,
) -> Reading:
    accounts = [
        accounting.account(service.id, found, s.rules, (s.start, s.end), now, as_measured=as_measured)
        for s in stretches
    ]
    parts = [(account.seconds, stretch.rules) for account, stretch in zip(accounts, stretches, strict=True)]
    days = [day for pair in zip(accounts, stretches, strict=True) for day in _days(*pair, zone)]
    restated = () if as_measured else found.restatements
    return Reading(
        entries=[_entry(interval, found, restated, outages) for interval in _joined(accounts)],
        seconds={kind: sum(seconds[kind] for seconds, _rules in parts) for kind in Kind},
        figures=sla.figures_of_parts(parts),
        days=days,
    )


def _days(account: Account, stretch: _Stretch, zone: tzinfo) -> Iterator[LedgerDay]:
    """Cut the days of a stretch out of its intervals, as far as it is accounted."""
    start, end = account.window
    if start >= end:
        return
    starts = [interval.start for interval in account.intervals]
    for day in days_between(day_of(_instant(start), zone), day_of(_instant(end - 1), zone)):
        day_start, day_end = (int(edge.timestamp()) for edge in bounds(day, zone))
        window = max(start, day_start), min(end, day_end)
        first = max(0, bisect_right(starts, window[0]) - 1)
        inside = list(_clipped(account.intervals, first, window))
        seconds = sla.seconds_by_kind(inside)
        part = Account(
            service_id=account.service_id,
            window=window,
            intervals=inside,
            seconds=seconds,
            figures=sla.figures(seconds, stretch.rules),
            is_settled=account.is_settled,
        )
        status = status_of(part, stretch.version)
        yield LedgerDay(date=day, status=status, seconds=seconds, figures=part.figures, policy=stretch.version)


def _clipped(intervals: Sequence[Interval], first: int, window: tuple[int, int]) -> Iterator[Interval]:
    """Yield what lies in a window, from the interval with a given index on."""
    for index in range(first, len(intervals)):
        kind, start, end = intervals[index]
        if start >= window[1]:
            return
        yield Interval(kind, max(start, window[0]), min(end, window[1]))


def _joined(accounts: Iterable[Account]) -> Iterator[Interval]:
    """Put the intervals of stretches one after another; across a change of policy neighbours of one kind are one."""
    held: Interval | None = None
    for interval in (interval for account in accounts for interval in account.intervals):
        if held is not None and held.kind is interval.kind:
            held = Interval(held.kind, held.start, interval.end)
            continue
        if held is not None:
            yield held
        held = interval
    if held is not None:
        yield held


def _entry(interval: Interval, found: Evidence, restated: Collection[sla.Span], outages: Sequence[Transition]) -> Entry:
    start_at, end_at = _instant(interval.start), _instant(interval.end)
    why = _why(interval, found, restated)
    if interval.kind is not Kind.DOWN or why is Why.RESTATED or (outage := _outage_at(end_at, outages)) is None:
        return Entry(kind=interval.kind, start_at=start_at, end_at=end_at, why=why)
    return Entry(
        kind=interval.kind,
        start_at=start_at,
        end_at=end_at,
        why=why,
        error_type=str(outage.evidence.get("error_type") or ""),
        error_message=str(outage.evidence.get("error_message") or ""),
        last_good_at=outage.edge_start_at,
        first_bad_at=outage.edge_end_at,
    )


def _why(interval: Interval, found: Evidence, restated: Collection[sla.Span]) -> Why | None:
    if any(s.since < interval.end and s.until > interval.start and s.restated_as is interval.kind for s in restated):
        return Why.RESTATED
    if interval.kind is not Kind.UNKNOWN:
        return None
    blind = (span for span in found.spans if span.kind is SpanKind.BLIND)
    is_blind = any(span.since < interval.end and span.until > interval.start for span in blind)
    return Why.BLIND if is_blind else Why.NO_CHECKS


def _outage_at(end_at: datetime, outages: Sequence[Transition]) -> Transition | None:
    """Return the newest outage that began before an interval ended."""
    index = bisect_left(outages, end_at, key=lambda outage: outage.edge_end_at)
    return outages[index - 1] if index else None


def _outages(service_id: str, start: datetime, end: datetime) -> list[Transition]:
    """Return the outages that began in a window, and the last one before it, in order. Two queries."""
    falls = Transition.objects.filter(service=service_id, to_status=Status.DOWN)
    before = falls.filter(edge_end_at__lt=start).order_by("-edge_end_at")[:1]
    return [*before, *falls.filter(edge_end_at__gte=start, edge_end_at__lt=end).order_by("edge_end_at")]


def _restatements(service_id: str, start: datetime, end: datetime) -> list[Restatement]:
    approved = Restatement.objects.filter(service=service_id, is_approved=True)
    return list(approved.filter(since__lt=end, until__gt=start).order_by("decided_at", "id"))


def _sample_days(service_id: str, start: datetime, end: datetime, zone: tzinfo) -> int:
    last = day_of(end - timedelta(microseconds=1), zone)
    rows = UptimeRecord.objects.filter(service=service_id, date__range=(day_of(start, zone), last))
    return rows.filter(metadata__sample=True).count()


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
