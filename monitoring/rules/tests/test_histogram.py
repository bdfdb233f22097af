import pytest

from monitoring.rules.histogram import BUCKETS, bucket_of, percentile_ms


def counted(*response_ms: float) -> list[int]:
    counts = [0] * BUCKETS
    for each in response_ms:
        counts[bucket_of(each)] += 1
    return counts


@pytest.mark.parametrize(("response_ms", "bucket"), [(0, 0), (1, 0), (2, 4), (1000, 39), (55_000, 62), (1e9, 63)])
def test_response_times_have_their_bucket(response_ms: float, bucket: int) -> None:
    assert bucket_of(response_ms) == bucket


def test_nothing_measured_has_no_percentile() -> None:
    assert percentile_ms(counted(), 0.5) is None


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 1.0])
def test_percentiles_are_off_by_a_fifth_at_most(share: float) -> None:
    times = [float(ms) for ms in range(5, 3_000, 3)]

    exact = times[round(share * (len(times) - 1))]

    assert percentile_ms(counted(*times), share) == pytest.approx(exact, rel=0.19)


def test_the_sum_of_counts_has_the_percentiles_of_all() -> None:
    one, other = counted(10, 20, 30), counted(400, 500)

    together = [a + b for a, b in zip(one, other, strict=True)]

    assert percentile_ms(together, 0.5) == percentile_ms(counted(10, 20, 30, 400, 500), 0.5)
