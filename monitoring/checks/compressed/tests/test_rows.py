"""Compression is exact: whatever the raw tables can hold comes back as it was, and little is needed to keep it."""

import struct
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.checks.compressed.columns import Damaged, Reader, Writer
from monitoring.checks.compressed.rows import (
    Check,
    Request,
    compress_checks,
    compress_requests,
    decompress_checks,
    decompress_requests,
)

BIGINT = st.integers(-(2**62), 2**62)
SMALLINT = st.integers(-(2**15), 2**15 - 1)
HUNDREDTHS = st.integers(0, 10**7).map(lambda value: value / 100)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NOON = 1_741_564_800_000


def written(value: float) -> float:
    """Return a `real` as PostgreSQL writes it: with the fewest digits that mean it."""
    return next(short for digits in range(1, 10) if bits(short := float(f"{value:.{digits}g}")) == bits(value))


def bits(value: float) -> bytes:
    return struct.pack("f", value)


REAL = st.one_of(HUNDREDTHS.map(written), st.floats(width=32, allow_nan=False).map(written))
TIME = st.one_of(st.integers(NOON, NOON + 86_399_999), BIGINT)
CHECKS = st.builds(
    Check,
    checked_at_ms=TIME,
    response_time=st.none() | REAL,
    lateness_ms=REAL,
    dns_ms=st.none() | REAL,
    connect_ms=st.none() | REAL,
    tls_ms=st.none() | REAL,
    first_byte_ms=st.none() | REAL,
    interval_ms=st.integers(1, 2**31 - 1),
    status_code=st.none() | SMALLINT,
    verdict=st.sampled_from(["ok", "slow", "bad"]),
    error_type=st.none() | st.sampled_from(["timeout", "unknown"]),
    error_message=st.none() | TEXT,
    metadata=st.none() | st.just('{"blind": "1.1.1.1"}'),
)
REQUESTS = st.builds(
    Request,
    measured_at_ms=TIME,
    response_time=st.none() | REAL,
    status_code=st.none() | SMALLINT,
    hop=SMALLINT,
    is_success=st.booleans(),
    is_final=st.booleans(),
    method=TEXT,
    endpoint=st.none() | TEXT,
    error_message=st.none() | TEXT,
    metadata=st.none() | TEXT,
)


@given(st.lists(CHECKS, max_size=30))
def test_compressed_checks_come_back(checks: Any) -> None:
    assert decompress_checks(compress_checks(checks)) == checks


@given(st.lists(REQUESTS, max_size=30))
def test_compressed_requests_come_back(requests: Any) -> None:
    assert decompress_requests(compress_requests(requests)) == requests


@given(st.lists(BIGINT, max_size=300))
def test_a_column_of_whole_numbers_comes_back(values: Any) -> None:
    writer = Writer()
    writer.integers(values)

    assert Reader(writer.content()).integers(len(values)) == values


@given(st.lists(REAL, max_size=50))
def test_reals_come_back_with_sign_and_every_bit(values: Any) -> None:
    writer = Writer()
    writer.reals(values)

    found, _ = Reader(writer.content()).reals(len(values))

    assert list(map(repr, found)) == list(map(repr, values)), "also -0.0, which equals 0.0"


def test_a_real_with_the_noise_of_a_double_comes_back_as_the_database_writes_it() -> None:
    noisy = steady_check(0)._replace(dns_ms=struct.unpack("f", bits(0.1))[0])

    assert decompress_checks(compress_checks([noisy]))[0].dns_ms == 0.1


def test_a_day_of_a_check_a_minute_takes_less_than_twelve_bytes_a_check() -> None:
    random = Random(7)
    checks = [steady_check(number, random) for number in range(1440)]

    content = compress_checks(checks) + compress_requests([request_of(check) for check in checks])

    assert len(content) / 1440 < 12


def test_nothing_folds_to_nothing() -> None:
    assert decompress_checks(compress_checks([])) == decompress_requests(compress_requests([])) == []


@pytest.mark.parametrize("cut", [0, 1, 10, 60])
def test_bytes_cut_short_are_refused(cut: Any) -> None:
    whole = compress_checks([steady_check(number) for number in range(100)])

    with pytest.raises(Damaged, match=r"ends after|plane"):
        decompress_checks(whole[:cut])


def test_bytes_of_a_later_version_are_refused() -> None:
    with pytest.raises(Damaged, match="written as version 9; this release reads version 1"):
        decompress_requests(b"\x09" + compress_requests([])[1:])


def steady_check(number: int, random: Random | None = None) -> Check:
    random = random or Random(number)
    dns, connect, tls, first_byte = (round(random.lognormvariate(3, 0.3), 2) for _ in range(4))
    return Check(
        checked_at_ms=NOON + 60_000 * number,
        response_time=round(dns + connect + tls + first_byte + random.uniform(0.1, 0.4), 2),
        lateness_ms=round(random.expovariate(2), 2),
        dns_ms=dns,
        connect_ms=connect,
        tls_ms=tls,
        first_byte_ms=first_byte,
        interval_ms=60_000,
        status_code=200,
        verdict="ok",
        error_type=None,
        error_message=None,
        metadata=None,
    )


def request_of(check: Check) -> Request:
    at = check.checked_at_ms + round(check.lateness_ms)
    return Request(at, round(check.response_time - 0.03, 2), 200, 0, True, True, "GET", None, None, None)
