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

from monitoring import accounting, sla
from monitoring.accounting import Account, Evidence
from monitoring.calendar_days import bounds, day_of, days_between
from monitoring.models import Restatement, Service, Transition
from monitoring.models.policies import AccountingPolicy
from monitoring.rollup import status_of
from monitoring.sla import Figures, Interval, Kind, SpanKind
from monitoring.state import Status
from monitoring.terms import Stretch, Terms, TermsBook


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
    terms: Sequence[Terms]  # in force in the window, in order
    restatements: Sequence[Restatement]  # approved ones that touch it, in the order of approval
    sample_days: int  # stored days of the window that are made up


@dataclass(frozen=True, slots=True)
class _Outages:
    """When a service was told to be down, and when no more: what is known of the outages that its intervals show."""

    falls: Sequence[Transition]  # in order
    left_at: Sequence[datetime]  # in order

    def behind(self, interval: Interval) -> Transition | None:
        """Return the outage that an interval is a part of; None where nobody was told of one, as after late checks."""
        index = bisect_left(self.falls, _instant(interval.end), key=lambda fall: fall.edge_end_at)
        if not index:
            return None
        fall = self.falls[index - 1]
        after = bisect_right(self.left_at, fall.edge_end_at)
        is_over = after < len(self.left_at) and self.left_at[after] <= _instant(interval.start)
        return None if is_over else fall


def read(service: Service, start: datetime, end: datetime, now: datetime, zone: tzinfo) -> Ledger:
    """Account a window of a service. Eight queries, however long it is. Raises ValueError when it is empty."""
    if start >= end:
        raise ValueError(f"the window is empty: {start} to {end}")
    book = TermsBook([service], day_of(start, zone), day_of(end - timedelta(microseconds=1), zone), now, zone)
    stretches = list(book.stretches(service, start, end))
    found = accounting.evidence([service], start, end, [each.terms.rules for each in stretches])[service.id]
    outages = _outages(service.id, start, end)
    restatements = _restatements(service.id, start, end)
    return Ledger(
        service=service,
        start_at=start,
        end_at=end,
        accounted_until=max(start, min(end, now.replace(microsecond=0))),
        official=_reading(service, found, stretches, outages, now, zone, as_measured=False),
        measured=_reading(service, found, stretches, outages, now, zone, as_measured=True) if restatements else None,
        terms=_distinct(stretches),
        restatements=restatements,
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
    evidence = accounting.evidence(services, start, end, rules)
    return {
        id: [
            day
            for each in found
            for day in _days(
                accounting.account(id, evidence[id], each.terms.rules, (each.start, each.end), now), each.terms, zone
            )
        ]
        for id, found in stretches.items()
    }


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
        accounting.account(service.id, found, each.terms.rules, (each.start, each.end), now, as_measured=as_measured)
        for each in stretches
    ]
    parts = [(account.seconds, each.terms.rules) for account, each in zip(accounts, stretches, strict=True)]
    days = [day for account, each in zip(accounts, stretches, strict=True) for day in _days(account, each.terms, zone)]
    restated = () if as_measured else found.restatements
    intervals = [piece for interval in _joined(accounts) for piece in _told_apart(interval, found, restated)]
    return Reading(
        entries=[_entry(interval, why, outages) for interval, why in intervals],
        seconds={kind: sum(seconds[kind] for seconds, _rules in parts) for kind in Kind},
        figures=sla.figures_of_parts(parts),
        days=days,
    )


def _days(account: Account, terms: Terms, zone: tzinfo) -> Iterator[LedgerDay]:
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
            figures=sla.figures(seconds, terms.rules),
            is_settled=account.is_settled,
        )
        status = status_of(part, terms.version)
        yield LedgerDay(date=day, status=status, seconds=seconds, figures=part.figures, policy=terms.version)


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


def _told_apart(
    interval: Interval, found: Evidence, restated: Collection[sla.Span]
) -> Iterator[tuple[Interval, Why | None]]:
    """Cut an interval where the reason for which it counts as its kind changes, and say that reason of each piece."""
    reasons = [(span, Why.RESTATED) for span in restated if span.restated_as is interval.kind]
    if interval.kind is Kind.UNKNOWN:
        reasons += [(span, Why.BLIND) for span in found.spans if span.kind is SpanKind.BLIND]
    edges = {edge for span, _why in reasons for edge in (span.since, span.until)}
    cuts = [interval.start, *sorted(e for e in edges if interval.start < e < interval.end), interval.end]
    pieces = (Interval(interval.kind, start, end) for start, end in pairwise(cuts))
    usual = Why.NO_CHECKS if interval.kind is Kind.UNKNOWN else None
    told = [(each, next((why for span, why in reasons if _covers(span, each)), usual)) for each in pieces]
    for why, alike in groupby(told, key=itemgetter(1)):
        neighbours = [each for each, _why in alike]
        yield Interval(interval.kind, neighbours[0].start, neighbours[-1].end), why


def _covers(span: sla.Span, piece: Interval) -> bool:
    return span.since <= piece.start and piece.end <= span.until


def _entry(interval: Interval, why: Why | None, outages: _Outages) -> Entry:
    start_at, end_at = _instant(interval.start), _instant(interval.end)
    if interval.kind is not Kind.DOWN or why is Why.RESTATED or (outage := outages.behind(interval)) is None:
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
    approved = Restatement.objects.filter(service=service_id, is_approved=True)
    return list(approved.filter(since__lt=end, until__gt=start).order_by("decided_at", "id"))


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
