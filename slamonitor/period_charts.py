"""Charts of a period: response times and checks by hour, or the status by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.conf import settings
from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from monitoring.admin_site import charts
from monitoring.admin_site.dashboard import Period
from monitoring.rules.state import Status
from monitoring.words.durations import day_name, response_time
from monitoring.words.statuses import NOW_LABELS

Words = Any  # text that is translated when shown

NAMES: Mapping[Period, Words] = {
    Period.DAY: gettext_lazy("24 hours"),
    Period.WEEK: gettext_lazy("7 days"),
    Period.QUARTER: gettext_lazy("90 days"),
}
LABELS = {Period.DAY: 6, Period.WEEK: 7, Period.QUARTER: 6}  # number of labels below a chart; divides its columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The texts of the charts of a subject."""

    response_help: Words
    lines: Sequence[tuple[str, Words]]  # class and name of each line of response times
    checks_title: Words
    checks_help: Words
    checks_names: Sequence[Words]
    column: Words
    top: float | None = None  # of the chart of checks; None: as its highest column needs


CHECKS: dict[str, Any] = {
    "checks_title": gettext_lazy("Checks per hour"),
    "checks_help": gettext_lazy("Good, slow and failed checks by hour. The table below has the same data."),
    "checks_names": (gettext_lazy("good"), gettext_lazy("slow"), gettext_lazy("failed")),
    "column": gettext_lazy("Hour"),
}
OF_ALL = Subject(
    response_help=gettext_lazy("Median and 95th percentile of good checks by hour. The table below has the same data."),
    lines=[("p50", gettext_lazy("median")), ("p95", gettext_lazy("95th percentile"))],
    **CHECKS,
)
OF_HOURS = Subject(
    response_help=gettext_lazy("Average response time by hour. The table below has the same data."),
    lines=[("p50", gettext_lazy("average"))],
    **CHECKS,
)
OF_DAYS = Subject(
    response_help=gettext_lazy("Average response time by day. The table below has the same data."),
    lines=[("p50", gettext_lazy("average"))],
    checks_title=gettext_lazy("Minutes per day by status"),
    checks_help=gettext_lazy("Minutes of each day in each status. The table below has the same data."),
    checks_names=(NOW_LABELS[Status.OPERATIONAL], NOW_LABELS[Status.PARTIAL], NOW_LABELS[Status.DOWN]),
    column=gettext_lazy("Day"),
    top=24 * 60,
)


class Bucket(Protocol):
    """One hour or day; counts are 0, and times None, if there is nothing."""

    @property
    def at(self) -> datetime: ...
    @property
    def ok(self) -> int: ...
    @property
    def slow(self) -> int: ...
    @property
    def bad(self) -> int: ...
    @property
    def times(self) -> tuple[float | None, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One hour or day, as a column of a chart and as a row of the table with the same numbers."""

    label: str
    title: str
    ok: int
    slow: int
    bad: int
    times: Sequence[str]
    boxes: Sequence[charts.Box]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    shape: str  # the class that sets colour and dashes
    name: Words
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    subject: Subject
    columns: Sequence[Column]
    labels: Sequence[str]  # those of some columns, evenly spread
    lines: Sequence[Line]
    response_ticks: Sequence[str]  # from the top to 0
    check_ticks: Sequence[str]
    has_checks: bool
    has_times: bool


def asked_for(query: Mapping[str, str], offered: Sequence[Period]) -> Period:
    """Return the period that a query asks for, else the first one offered."""
    return next((each for each in offered if each == query.get("period")), offered[0])


def draw(buckets: Sequence[Bucket], period: Period, subject: Subject) -> Charts:
    """Draw the chart of response times and the chart of checks for the same hours or days."""
    times = [time for bucket in buckets for time in bucket.times if time is not None]
    response_top = charts.nice_top(max(times, default=0))
    counts = [(bucket.ok, bucket.slow, bucket.bad) for bucket in buckets]
    highest = max(map(sum, counts), default=0)
    check_top = max(subject.top, highest) if subject.top else charts.nice_top(highest)
    stacks = charts.stack(counts, check_top)
    columns = [_column(bucket, boxes, period) for bucket, boxes in zip(buckets, stacks, strict=True)]
    return Charts(
        subject=subject,
        columns=columns,
        labels=[columns[place].label for place in charts.evenly(len(columns), LABELS[period])],
        lines=[
            Line(shape=shape, name=name, path=charts.line([bucket.times[place] for bucket in buckets], response_top))
            for place, (shape, name) in enumerate(subject.lines)
        ],
        response_ticks=[response_time(response_top * share) for share in (1, 0.5, 0)],
        check_ticks=[f"{check_top * share:,.0f}" for share in (1, 0.5, 0)],
        has_checks=any(map(sum, counts)),
        has_times=bool(times),
    )


def _column(bucket: Bucket, boxes: Sequence[charts.Box], period: Period) -> Column:
    local = bucket.at.astimezone(settings.PAGE_TIME_ZONE)
    # Translators: letters of Django's date format; Mon 9 March, 14:00
    title = format_date(local, _("D j F, H:i"))
    # Translators: letters of Django's date format, as short as possible; 9 Mar
    day = format_date(local, _("j M"))
    labels = {Period.DAY: f"{local:%H:%M}", Period.WEEK: format_date(local, _("D j")), Period.QUARTER: day}
    return Column(
        label=labels[period],
        title=day_name(local.date()) if period is Period.QUARTER else title,
        ok=bucket.ok,
        slow=bucket.slow,
        bad=bucket.bad,
        times=["" if ms is None else response_time(ms) for ms in bucket.times],
        boxes=boxes,
    )
