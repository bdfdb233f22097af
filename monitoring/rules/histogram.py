"""Response times in logarithmic buckets, which can be added up over hours, days and services, precise to one percent.

Bucket k holds the times in (g^(k-1), g^k] milliseconds with g = 1.01/0.99. Its value is 2·g^k/(1+g), from which no time
in it differs by more than 1 % (DDSketch, Masson et al. 2019, section 2.1). Never average percentiles; add up buckets.
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
    """Return the longest time of a bucket, in milliseconds."""
    return float(GROWTH**bucket)


def value_of(bucket: int) -> float:
    """Return the value of a bucket, in milliseconds."""
    return float(2 * GROWTH**bucket / (1 + GROWTH))


def merge(histograms: Iterable[tuple[Sequence[int], Sequence[int]]]) -> Counter[int]:
    """Add up histograms, given as (buckets, counts), into counts by bucket."""
    total: Counter[int] = Counter()
    for buckets, counts in histograms:
        for bucket, count in zip(buckets, counts, strict=True):
            total[bucket] += count
    return total


def percentile(counts: Counter[int], share: float | Fraction) -> float | None:
    """Return the time that this share (0–1) of all does not exceed, precise to 1 %; None without times."""
    rank = ceil(share * sum(counts.values()))
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0:
            return value_of(bucket)
    return None
