"""Response times in buckets that grow by a fifth: counts can be added up, percentiles cannot. Pure."""

from collections.abc import Sequence
from itertools import accumulate
from math import log2

PER_DOUBLING = 4
BUCKETS = 64  # the first begins at 1 ms, the last at 55 s and is open


def bucket_of(response_ms: float) -> int:
    """Return the bucket of a response time, as `sql/roll_up_hours.sql` does."""
    return min(BUCKETS - 1, int(PER_DOUBLING * log2(max(1.0, response_ms))))


def percentile_ms(counts: Sequence[int], share: float) -> float | None:
    """Return the response time that this share of the checks did not exceed, None without checks.

    Within its bucket it is assumed where it would be if those checks lay evenly, so it is off by a fifth at the most.
    """
    total = sum(counts)
    if not total:
        return None
    wanted = share * total
    for bucket, reached in enumerate(accumulate(counts)):
        if reached >= wanted and counts[bucket]:
            within = (wanted - (reached - counts[bucket])) / counts[bucket]
            return float(2 ** ((bucket + within) / PER_DOUBLING))
    raise AssertionError("the counts do not add up")  # the last bucket reaches the total
