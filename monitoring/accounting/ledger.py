"""The ledger of a service: the ordered intervals behind its figures in a window, which sum exactly to it.

Every stretch is accounted under the terms that were in force in it, from evidence that is fetched once. Days are
cut out of the same intervals, so that window, days and stored rows cannot differ.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import groupby, pairwise
from operator import itemgetter

from django.db.models import Q

from monitoring.accounting import evidence
from monitoring.accounting.day import status_of
from monitoring.accounting.evidence import Account, Evidence
from monitoring.models import Restatement, Service, Span, Transition, UptimeRecordVersion
from monitoring.models.policies import AccountingPolicy
from monitoring.rules import edges, notice, sla
from monitoring.rules.calendar_days import bounds, day_of, days_between
from monitoring.rules.edges import Bounded, Bounds
from monitoring.rules.sla import Figures, Interval, Kind, SpanKind
from monitoring.rules.state import Status
from monitoring.states.terms import Stretch, Terms, TermsBook


class Why(StrEnum):
    """The reason for the kind of an interval, if the checks alone do not explain it."""

    NO_CHECKS = "no_checks"
    BLIND = "blind"
    RESTATED = "restated"
    ENTERED_LATE = "entered_late"  # maintenance or a pause, entered after the time or with too little notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One interval of one kind."""

    kind: Kind
    start_at: datetime
    end_at: datetime
    why: Why | None = None
    error_type: str = ""  # of an outage, if known; as are the next three
    error_message: str = ""  # for people who are signed in
    last_good_at: datetime | None = None
    first_bad_at: datetime | None = None
    bounds: Bounds | None = None  # of downtime

    @property
    def seconds(self) -> int:
        return int((self.end_at - self.start_at).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDay:
    """A calendar day, or the part of it in the window."""

    date: date
    status: str
    seconds: dict[Kind, int]
    figures: Figures
    policy: AccountingPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The window as published, or as measured."""

    entries: Sequence[Entry]
    seconds: dict[Kind, int]
    figures: Figures
    days: Sequence[LedgerDay]
    down: Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class LateEntry:
    """Time for which maintenance or a pause was entered, or withdrawn, too late."""

    kind: Kind
    start_at: datetime
    end_at: datetime
    is_withdrawn: bool  # it was entered in time and withdrawn too late
    is_counted: bool  # by the policy: accounted as if it had not been entered or withdrawn
    entered_at: datetime
    by: str  # a user's name, for people who are signed in; empty if the account was deleted
    reason: str

    @property
    def seconds(self) -> int:
        return int((self.end_at - self.start_at).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    service: Service
    start_at: datetime
    end_at: datetime  # of the window
    accounted_until: datetime  # earlier than the end if that is in the future
    official: Reading  # as published: with approved restatements and the late entries that the policy accepts
    measured: Reading | None  # without them; None if none touches the window, or if they change nothing
    terms: Sequence[Terms]  # in force in the window, in order
    is_changed_today: bool  # the rules of the service were changed; the new ones apply from tomorrow
    restatements: Sequence[Restatement]  # approved ones that touch it, in the order of approval
    late: Sequence[LateEntry]  # in order of time
    earlier: Sequence[UptimeRecordVersion]  # figures that its days had before, in order
    sample_days: int  # stored days of the window that are sample data


@dataclass(frozen=True, slots=True)
class _Outages:
    """The transitions of a service to *down* and away from it, which describe the outages among its intervals."""

    falls: Sequence[Transition]  # in order
    left_at: Sequence[datetime]  # in order

    def behind(self, interval: Interval) -> Transition | None:
        """Return the transition of the outage that an interval belongs to; None for outages without one."""
        index = bisect_left(self.falls, _instant(interval.end), key=lambda fall: fall.edge_end_at)
        if not index:
            return None
        fall = self.falls[index - 1]
        after = bisect_right(self.left_at, fall.edge_end_at)
        is_over = after < len(self.left_at) and self.left_at[after] <= _instant(interval.start)
        return None if is_over else fall


def read(service: Service, start: datetime, end: datetime, now: datetime, zone: tzinfo) -> Ledger:
    """Account a window of a service. Nine queries, or ten, however long it is. Raises ValueError if it is empty."""
    if start >= end:
        raise ValueError(f"the window is empty: {start} to {end}")
    book = TermsBook([service], day_of(start, zone), day_of(end - timedelta(microseconds=1), zone), now, zone)
    stretches = list(book.stretches(service, start, end))
    found = evidence.fetch([service], start, end, [each.terms.rules for each in stretches])[service.id]
    outages = _outages(service.id, start, end)
    restatements = _restatements(service.id, start, end)
    late = _late(found, stretches, now)
    official = _reading(service, found, stretches, outages, now, zone, as_measured=False)
    measured = (
        _reading(service, found, stretches, outages, now, zone, as_measured=True) if restatements or late else None
    )
    return Ledger(
        service=service,
        start_at=start,
        end_at=end,
        accounted_until=max(start, min(end, now.replace(microsecond=0))),
        official=official,
        measured=measured if restatements or measured != official else None,
        terms=_distinct(stretches),
        is_changed_today=book.is_changed_today(service),
        restatements=restatements,
        late=late,
        earlier=_earlier(service.id, day_of(start, zone), day_of(end - timedelta(microseconds=1), zone)),
        sample_days=book.sample_days(service),
    )


def days_of(
    services: Sequence[Service], first: date, last: date, now: datetime, zone: tzinfo
) -> dict[str, list[LedgerDay]]:
    """Return the days of services as their ledgers show them, by id. Five queries, however many there are."""
    start, end = bounds(first, zone)[0], bounds(last, zone)[1]
    book = TermsBook(services, first, last, now, zone)
    stretches = {service.id: list(book.stretches(service, start, end)) for service in services}
    rules = {each.terms.rules for found in stretches.values() for each in found}
    fetched = evidence.fetch(services, start, end, rules)
    return {
        id: [
            day
            for each in found
            for day in _days(
                evidence.account(id, fetched[id], each.terms.rules, (each.start, each.end), now), each.terms, zone
            )
        ]
        for id, found in stretches.items()
    }


def _late(found: Evidence, stretches: Iterable[Stretch], now: datetime) -> list[LateEntry]:
    """Return the late entries of maintenance and pauses. One query if there are any, else none."""
    late = [
        (each, stretch.terms.rules)
        for stretch in stretches
        for each in notice.late(found.spans, stretch.terms.rules, _seconds(stretch.start, min(stretch.end, now)))
    ]
    if not late:
        return []
    rows = Span.objects.select_related("author", "replaced_by").in_bulk([each.span.row for each, _rules in late])
    return [_late_entry(each, rows[each.span.row], is_counted=rules.counts_late) for each, rules in late]


def _late_entry(late: notice.Late, row: Span, *, is_counted: bool) -> LateEntry:
    who = row.replaced_by if late.is_withdrawn else row.author
    return LateEntry(
        kind=Kind(row.kind),
        start_at=_instant(late.since),
        end_at=_instant(late.until),
        is_withdrawn=late.is_withdrawn,
        is_counted=is_counted,
        entered_at=row.replaced_at if late.is_withdrawn and row.replaced_at else row.created_at,
        by=str(who) if who else "",
        reason=row.reason,
    )


def _earlier(service_id: str, first: date, last: date) -> list[UptimeRecordVersion]:
    versions = UptimeRecordVersion.objects.filter(service=service_id, date__range=(first, last))
    return list(versions.order_by("date", "replaced_at", "id"))


def _distinct(stretches: Iterable[Stretch]) -> list[Terms]:
    found: list[Terms] = []
    for stretch in stretches:
        if stretch.terms not in found:
            found.append(stretch.terms)
    return found


def _reading(
    service: Service,
    found: Evidence,
    stretches: Sequence[Stretch],
    outages: _Outages,
    now: datetime,
    zone: tzinfo,
    *,
    as_measured: bool,
) -> Reading:
    accounts = [
        evidence.account(service.id, found, each.terms.rules, (each.start, each.end), now, as_measured=as_measured)
        for each in stretches
    ]
    parts = [(account.seconds, each.terms.rules) for account, each in zip(accounts, stretches, strict=True)]
    days = [day for account, each in zip(accounts, stretches, strict=True) for day in _days(account, each.terms, zone)]
    restated = () if as_measured else found.restatements
    late = [] if as_measured else _left_out(found, stretches)
    joined = list(_joined(accounts))
    doubts = edges.together(
        edges.edges(found.stretches, each.terms.rules, account.window)
        for account, each in zip(accounts, stretches, strict=True)
    )
    bounded = Bounded(joined, edges.apart_from(doubts, restated))
    intervals = [piece for interval in joined for piece in _told_apart(interval, found, restated, late)]
    return Reading(
        entries=[_entry(interval, why, outages, bounded) for interval, why in intervals],
        seconds={kind: sum(seconds[kind] for seconds, _rules in parts) for kind in Kind},
        figures=sla.figures_of_parts(parts),
        days=days,
        down=bounded.whole(),
    )


def _left_out(found: Evidence, stretches: Iterable[Stretch]) -> list[sla.Span]:
    """Return the time that is published as maintenance or paused although it was entered too late."""
    return [
        sla.Span(kind=each.span.kind, since=each.since, until=each.until)
        for stretch in stretches
        if not stretch.terms.rules.counts_late
        for each in notice.late(found.spans, stretch.terms.rules, _seconds(stretch.start, stretch.end))
        if not each.is_withdrawn
    ]


def _days(account: Account, terms: Terms, zone: tzinfo) -> Iterator[LedgerDay]:
    """Yield the days of a stretch, as far as it is accounted, cut out of its intervals."""
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
            figures=sla.figures(seconds, terms.rules),
            is_settled=account.is_settled,
        )
        status = status_of(part, terms.version)
        yield LedgerDay(date=day, status=status, seconds=seconds, figures=part.figures, policy=terms.version)


def _clipped(intervals: Sequence[Interval], first: int, window: tuple[int, int]) -> Iterator[Interval]:
    """Yield the intervals from index `first` on, clipped to a window."""
    for index in range(first, len(intervals)):
        kind, start, end = intervals[index]
        if start >= window[1]:
            return
        yield Interval(kind, max(start, window[0]), min(end, window[1]))


def _joined(accounts: Iterable[Account]) -> Iterator[Interval]:
    """Concatenate the intervals of stretches; neighbours of one kind are joined across a change of policy."""
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


def _told_apart(
    interval: Interval, found: Evidence, restated: Collection[sla.Span], late: Collection[sla.Span]
) -> Iterator[tuple[Interval, Why | None]]:
    """Split an interval where the reason for its kind changes, and yield the pieces with their reasons."""
    reasons = [(span, Why.RESTATED) for span in restated if span.restated_as is interval.kind]
    if interval.kind is Kind.UNKNOWN:
        reasons += [(span, Why.BLIND) for span in found.spans if span.kind is SpanKind.BLIND]
    reasons += [(span, Why.ENTERED_LATE) for span in late if span.kind.value == interval.kind.value]
    ends = {end for span, _why in reasons for end in (span.since, span.until)}
    cuts = [interval.start, *sorted(e for e in ends if interval.start < e < interval.end), interval.end]
    pieces = (Interval(interval.kind, start, end) for start, end in pairwise(cuts))
    usual = Why.NO_CHECKS if interval.kind is Kind.UNKNOWN else None
    told = [(each, next((why for span, why in reasons if _covers(span, each)), usual)) for each in pieces]
    for why, alike in groupby(told, key=itemgetter(1)):
        neighbours = [each for each, _why in alike]
        yield Interval(interval.kind, neighbours[0].start, neighbours[-1].end), why


def _covers(span: sla.Span, piece: Interval) -> bool:
    return span.since <= piece.start and piece.end <= span.until


def _entry(interval: Interval, why: Why | None, outages: _Outages, bounded: Bounded) -> Entry:
    start_at, end_at = _instant(interval.start), _instant(interval.end)
    bounds = bounded.of(interval) if interval.kind is Kind.DOWN else None
    if interval.kind is not Kind.DOWN or why is Why.RESTATED or (outage := outages.behind(interval)) is None:
        return Entry(kind=interval.kind, start_at=start_at, end_at=end_at, why=why, bounds=bounds)
    return Entry(
        kind=interval.kind,
        start_at=start_at,
        end_at=end_at,
        why=why,
        error_type=str(outage.evidence.get("error_type") or ""),
        error_message=str(outage.evidence.get("error_message") or ""),
        last_good_at=outage.edge_start_at,
        first_bad_at=outage.edge_end_at,
        bounds=bounds,
    )


def _outages(service_id: str, start: datetime, end: datetime) -> _Outages:
    """Return the outages that began in a window, and the last one before it. Two queries."""
    changes = Transition.objects.filter(service=service_id, edge_end_at__lt=end).order_by("edge_end_at", "id")
    falls = changes.filter(to_status=Status.DOWN)
    before = falls.filter(edge_end_at__lt=start).last()
    touching = changes.filter(Q(to_status=Status.DOWN) | Q(from_status=Status.DOWN))
    found = list(touching.filter(edge_end_at__gte=before.edge_end_at if before else start))
    return _Outages(
        falls=[each for each in found if each.to_status == Status.DOWN],
        left_at=[each.edge_end_at for each in found if each.from_status == Status.DOWN],
    )


def _restatements(service_id: str, start: datetime, end: datetime) -> list[Restatement]:
    approved = Restatement.objects.select_related("proposed_by", "decided_by").filter(
        service=service_id, is_approved=True
    )
    return list(approved.filter(since__lt=end, until__gt=start).order_by("decided_at", "id"))


def _seconds(start: datetime, end: datetime) -> tuple[int, int]:
    return int(start.timestamp() // 1), int(end.timestamp() // 1)


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
