from collections import Counter
from math import ceil

import pytest

from monitoring.rules.histogram import LOWEST_MS, bucket_of, merge, percentile, upper_bound, value_of


def counted(*milliseconds: float) -> Counter[int]:
    return Counter(map(bucket_of, milliseconds))


@pytest.mark.parametrize("milliseconds", [LOWEST_MS, 0.5, 1, 1.0001, 2, 47.11, 1_000, 55_000, 1e9])
def test_a_bucket_stands_for_its_times_within_one_percent(milliseconds: float) -> None:
    bucket = bucket_of(milliseconds)

    assert value_of(bucket) == pytest.approx(milliseconds, rel=0.01)
    assert upper_bound(bucket - 1) < milliseconds <= upper_bound(bucket) * (1 + 1e-12)


def test_shorter_times_count_as_the_shortest() -> None:
    assert bucket_of(0.0) == bucket_of(LOWEST_MS)


def test_nothing_measured_has_no_percentile() -> None:
    assert percentile(counted(), 0.5) is None


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 1.0])
def test_percentiles_are_within_one_percent(share: float) -> None:
    times = [float(ms) for ms in range(5, 3_000, 3)]

    exact = times[ceil(share * len(times)) - 1]

    assert percentile(counted(*times), share) == pytest.approx(exact, rel=0.01)


def test_the_sum_of_counts_has_the_percentiles_of_all() -> None:
    one, other = counted(10, 20, 30), counted(400, 500)

    together = merge([(list(each), list(each.values())) for each in (one, other)])

    assert percentile(together, 0.5) == percentile(counted(10, 20, 30, 400, 500), 0.5)
