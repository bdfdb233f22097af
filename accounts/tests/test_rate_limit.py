"""The rate limit of tokens: a bucket that refills evenly and is shared, and no limit while Redis is away."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from django.conf import settings as django_settings
from django.test import Client
from pytest_django import Settings

from accounts import tokens
from accounts.rate_limit import Limiter
from accounts.tests.cast import Person

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)


@pytest.fixture
def bucket() -> str:
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.delete("test-bucket")
    return "test-bucket"


def make_limiter(limit: int = 60) -> Limiter:
    return Limiter(django_settings.REDIS_URL, limit)


def test_a_bucket_holds_so_many_and_refills_evenly(bucket: str) -> None:
    limiter = make_limiter(60)

    granted = [limiter.take(bucket, NOW).is_granted for _ in range(61)]
    assert granted == [True] * 60 + [False]

    assert limiter.take(bucket, NOW + timedelta(seconds=1)).is_granted
    assert not limiter.take(bucket, NOW + timedelta(seconds=1)).is_granted
    assert [limiter.take(bucket, NOW + timedelta(seconds=61)).is_granted for _ in range(60)] == [True] * 60


def test_what_is_left_is_said(bucket: str) -> None:
    limiter = make_limiter(60)

    first = limiter.take(bucket, NOW)
    for _ in range(59):
        last = limiter.take(bucket, NOW)
    refused = limiter.take(bucket, NOW)

    assert (first.remaining, first.full_after_s, first.next_after_s) == (59, 1, 0)
    assert (last.remaining, last.full_after_s) == (0, 60)
    assert (refused.remaining, refused.next_after_s) == (0, 1)
    assert refused.headers() == {
        "RateLimit-Policy": '"token";q=60;w=60',
        "RateLimit": '"token";r=0;t=60',
        "RateLimit-Limit": "60",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "60",
        "Retry-After": "1",
    }


@pytest.mark.parametrize("limit", [1, 7, 600, 1_000_000])
def test_any_limit_holds(bucket: str, limit: int) -> None:
    limiter = make_limiter(limit)

    found = [limiter.take(bucket, NOW).is_granted for _ in range(min(limit, 20) + 1)]

    assert found == [True] * min(limit, 20) + [limit > 20]


def test_an_unused_bucket_leaves_nothing_behind(bucket: str) -> None:
    make_limiter(1).take(bucket, NOW)

    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        assert 0 < client.pttl(bucket) <= 60_000


def test_two_processes_share_one_bucket(bucket: str) -> None:
    one, other = make_limiter(2), make_limiter(2)

    assert [each.take(bucket, NOW).is_granted for each in (one, other, one)] == [True, True, False]


def test_while_redis_is_away_everything_passes_and_it_is_asked_rarely(
    bucket: str, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = Limiter("redis://127.0.0.1:1/0", 1)

    assert [limiter.take(bucket, NOW) for _ in range(3)] == [None, None, None]

    assert [record.message for record in caplog.records] == ["rate limit not applied: Redis does not answer"]


@pytest.mark.django_db
class TestOverHttp:
    @pytest.fixture
    def call(self, client: Client, viewer: Person, settings: Settings) -> Callable[..., Any]:
        settings.API_RATE_LIMIT = 3
        texts = [tokens.make(viewer.user, "test", "read", days=1, now=NOW)[1] for _ in range(2)]

        def ask(number: int = 0, path: str = "token") -> Any:
            with time_machine.travel(NOW, tick=False):
                return client.get(f"/api/v1/{path}", headers={"authorization": f"Bearer {texts[number]}"})

        return ask

    def test_each_token_has_its_own(self, call: Any) -> None:
        statuses = [call().status_code for _ in range(4)]

        assert statuses == [200, 200, 200, 429]
        assert call(1).status_code == 200

    def test_refusal_is_in_the_form_of_all_errors(self, call: Any) -> None:
        for _ in range(4):
            refused = call()

        assert refused.json()["error"]["code"] == "RATE_LIMITED"
        assert refused.headers["Retry-After"] == "20"
        assert refused.headers["RateLimit-Remaining"] == "0"

    def test_every_answer_says_what_is_left_also_one_that_fails(self, call: Any) -> None:
        left = [call(path=path).headers["RateLimit-Remaining"] for path in ("token", "services/nobody", "services?x=1")]

        assert left == ["2", "1", "0"]

    def test_zero_is_no_limit(self, call: Any, settings: Settings) -> None:
        settings.API_RATE_LIMIT = 0

        found = call()

        assert found.status_code == 200 and "RateLimit-Limit" not in found.headers

    def test_no_request_fails_because_redis_is_away(self, call: Any, settings: Settings) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"

        assert [call().status_code for _ in range(5)] == [200] * 5
