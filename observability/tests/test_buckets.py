"""Buckets refill evenly, are separate from each other, and limited in number."""

import pytest

from observability.buckets import Buckets, neighbourhood


def test_a_bucket_gives_what_it_holds_and_then_one_at_each_refill() -> None:
    buckets = Buckets(size=3, refilled_every_s=6)

    assert [buckets.take("a", 100) for _ in range(4)] == [0, 0, 0, 6]
    assert buckets.take("a", 104) == 2, "a refusal costs nothing"
    assert [buckets.take("a", 106), buckets.take("a", 106)] == [0, 6]
    assert [buckets.take("a", 1000) for _ in range(4)] == [0, 0, 0, 6]


def test_one_key_takes_nothing_from_another() -> None:
    buckets = Buckets(size=1, refilled_every_s=6, most_keys=2)

    assert [buckets.take(key, 100) for key in "aab"] == [0, 6, 0]


def test_of_too_many_keys_those_not_seen_for_longest_are_forgotten() -> None:
    buckets = Buckets(size=1, refilled_every_s=6, most_keys=3)
    for key in "abca":
        buckets.take(key, 100)

    for number in range(1000):
        buckets.take(f"other {number}", 100)
        assert buckets.take("a", 100) > 0, "addresses that keep sending requests are remembered"

    assert len(buckets) == 3


@pytest.mark.parametrize(
    ("address", "shared"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("unknown" * 100, ("unknown" * 100)[:64]),
    ],
)
def test_a_network_of_ipv6_shares_one(address: str, shared: str) -> None:
    assert neighbourhood(address) == shared
