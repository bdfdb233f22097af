"""Response times in logarithmic buckets: mergeable over hours, days and services, within one percent of the truth.

Bucket k holds the times in (g^(k-1), g^k] milliseconds with g = 1.01/0.99, and stands for 2·g^k/(1+g), which no time in
it differs from by more than 1 % (DDSketch, Masson et al. 2019, section 2.1). Never average percentiles; add these up.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil, log

GROWTH = 1.01 / 0.99
LOG_GROWTH = log(GROWTH)
LOWEST_MS = 0.01  # shorter times count as this


def bucket_of(milliseconds: float) -> int:
    return ceil(log(max(milliseconds, LOWEST_MS)) / LOG_GROWTH)


def upper_bound(bucket: int) -> float:
    """Return the longest milliseconds that a bucket holds."""
    return float(GROWTH**bucket)


def value_of(bucket: int) -> float:
    """Return the milliseconds that a bucket stands for."""
    return float(2 * GROWTH**bucket / (1 + GROWTH))


def merge(histograms: Iterable[tuple[Sequence[int], Sequence[int]]]) -> Counter[int]:
    """Add up (buckets, counts) of any stretches of time into counts by bucket."""
    total: Counter[int] = Counter()
    for buckets, counts in histograms:
        for bucket, count in zip(buckets, counts, strict=True):
            total[bucket] += count
    return total


def percentile(counts: Counter[int], share: float | Fraction) -> float | None:
    """Return the time that this share (0–1) of all does not exceed, within 1 %; None without any."""
    rank = ceil(share * sum(counts.values()))
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0:
            return value_of(bucket)
    return None
