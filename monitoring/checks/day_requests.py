"""Read the requests of a day by service: counts, exact percentiles, and a histogram that can be added up over days."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.checks import day_stream
from monitoring.rules import histogram
from monitoring.rules.answers import average_ms, nearest_rank


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfRequests:
    """One day of one service, with the response times in milliseconds in ascending order."""

    service_id: str
    total: int = 0
    good: int = 0
    times_ms: Sequence[float] = ()

    @property
    def average_ms(self) -> float | None:
        return average_ms(len(self.times_ms), sum(round(100 * time) for time in self.times_ms))

    def percentile_ms(self, percent: int) -> float | None:
        """Return the first time that at least this share of all times does not exceed."""
        return self.times_ms[nearest_rank(percent, len(self.times_ms))] if self.times_ms else None

    def histogram(self) -> tuple[list[int], list[int]]:
        """Return the logarithmic buckets in ascending order and how many requests are in each."""
        buckets: list[int] = []
        counts: list[int] = []
        at = 0
        while at < len(self.times_ms):
            bucket = histogram.bucket_of(self.times_ms[at])
            # At least one, because the bound of a bucket is rounded.
            beyond = max(at + 1, bisect_right(self.times_ms, histogram.upper_bound(bucket), at))
            buckets.append(bucket)
            counts.append(beyond - at)
            at = beyond
        return buckets, counts


def read(start: datetime, end: datetime, first_id: str, last_id: str) -> Iterator[DayOfRequests]:
    """Stream the days of the services in a range of ids that have requests in [start, end), redirects not counted.

    Must run in a transaction.
    """
    parameters = {"start": start, "end": end, "first_id": first_id, "last_id": last_id}
    for service_id, total, good, times in day_stream.rows("day_of_requests", parameters):
        times_ms = sorted(day_stream.unpacked("f", times))
        yield DayOfRequests(service_id=service_id, total=total, good=good, times_ms=times_ms)
