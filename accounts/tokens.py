"""API tokens: created once, stored as a hash, found by it, and refused with a reason once they have ended.

A token has 238 random bits, so a plain SHA-256 protects it as well as a slow hash would, and an index finds it. Its
prefix lets scanners of source code notice a leaked token.
"""

import hashlib
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.crypto import get_random_string

from accounts.models import ApiToken, User

PREFIX = "slm_"
LENGTH = 40  # characters after the prefix; letters and digits, so that a double click selects all of them
USE_NOTED_EVERY = timedelta(minutes=1)
LONGEST_DAYS = 366
USUAL_DAYS = 90


def make(user: User, name: str, scope: str, *, days: int, now: datetime) -> tuple[ApiToken, str]:
    """Create a token and return it with its text, which is not stored. Raises `ValidationError`."""
    text = PREFIX + get_random_string(LENGTH)
    token = ApiToken(
        user=user,
        name=name,
        scope=scope,
        token_hash=digest(text),
        hint=text[-4:],
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    token.full_clean()
    token.save(force_insert=True)
    return token, text


def find(text: str) -> ApiToken | None:
    """Return the token with its user, even if it has ended. One query."""
    return ApiToken.objects.select_related("user").filter(token_hash=digest(text)).first()


def note_use(token: ApiToken, now: datetime) -> None:
    """Store when a token was last used, in at most one write a minute, however many requests it makes."""
    if token.last_used_at is not None and now - token.last_used_at < USE_NOTED_EVERY:
        return
    before = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
    ApiToken.objects.filter(before, pk=token.pk).update(last_used_at=now)


def revoke(token_id: int, *, who: User | None, now: datetime) -> bool:
    """Revoke a token, and return whether it was still valid."""
    return bool(ApiToken.objects.filter(pk=token_id, revoked_at=None).update(revoked_at=now, revoked_by=who))


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
