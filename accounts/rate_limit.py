"""Limit the requests of a token: a bucket that refills evenly, which all web processes share in Redis.

The generic cell rate algorithm (ITU-T I.371, annex A) stores only the instant at which the bucket will be full again.
While Redis is away every request passes: a limit that protects the API must not take it down.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts.models import ApiToken

logger = logging.getLogger(__name__)

WINDOW_S = 60
REDIS_TIMEOUT_S = 0.2  # several requests could be answered in that time
REDIS_RETRY_AFTER_S = 5.0  # after Redis did not answer

# Take one of `limit` from the bucket; return whether there was one, and when it will be full (Unix microseconds).
TAKE = """
local now, step, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
if full_at + step - now > burst then return {0, full_at} end
full_at = full_at + step
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return {1, full_at}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The requests that a token has left after the current one."""

    limit: int
    is_granted: bool
    remaining: int
    full_after_s: int  # rounded up
    next_after_s: int  # until the next request is allowed; 0: now

    def headers(self) -> dict[str, str]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers, and those of its widely read early versions."""
        found = {
            "RateLimit-Policy": f'"token";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"token";r={self.remaining};t={self.full_after_s}',
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.full_after_s),
        }
        return found if self.is_granted else {**found, "Retry-After": str(self.next_after_s)}


class Limiter:
    """Buckets of one size in one Redis."""

    def __init__(self, url: str, limit: int) -> None:
        self.limit = limit
        self._step_us = WINDOW_S * 1_000_000 // limit
        client = redis.Redis.from_url(
            url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._take = client.register_script(TAKE)
        self._rests_until = 0.0

    def take(self, key: str, now: datetime) -> Allowance | None:
        """Take one from a bucket; None while Redis does not answer."""
        if time.monotonic() < self._rests_until:
            return None
        now_us = round(now.timestamp() * 1_000_000)
        burst_us = self._step_us * self.limit
        try:
            is_granted, full_at_us = self._take([key], [now_us, self._step_us, burst_us])
        except redis.RedisError as error:
            self._rests_until = time.monotonic() + REDIS_RETRY_AFTER_S
            logger.warning("rate limit not applied: Redis does not answer", extra={"why": str(error)})
            return None
        return self._allowance(bool(is_granted), full_at_us - now_us)

    def _allowance(self, is_granted: bool, full_after_us: int) -> Allowance:
        missing = -(-full_after_us // self._step_us)
        next_after_us = full_after_us - self._step_us * (self.limit - 1)
        return Allowance(
            limit=self.limit,
            is_granted=is_granted,
            remaining=max(0, self.limit - missing),
            full_after_s=-(-full_after_us // 1_000_000),
            next_after_s=max(0, -(-next_after_us // 1_000_000)),
        )


def take(token: ApiToken, now: datetime) -> Allowance | None:
    """Count one request of a token; None if there is no limit or no token."""
    if not settings.API_RATE_LIMIT or not settings.REDIS_URL:
        return None
    return _limiter(settings.REDIS_URL, settings.API_RATE_LIMIT).take(f"api-token:{token.pk}", now)


@lru_cache(maxsize=4)
def _limiter(url: str, limit: int) -> Limiter:
    return Limiter(url, limit)
