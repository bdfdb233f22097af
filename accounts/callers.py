"""Identify API callers: the bearer token of a request (RFC 6750), and the errors for a missing or invalid one."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import rate_limit, tokens
from accounts.models import ApiToken
from accounts.permissions import scope_needed
from observability.errors import ApiError, of_status

REALM = 'Bearer realm="api"'


def identify(request: HttpRequest) -> ApiToken:
    """Return the token of a request, and count the request once. Raises `ApiError`: 401, or 429."""
    if hasattr(request, "identified"):
        return request.identified  # type: ignore[no-any-return]
    scheme, _space, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise of_status(401, headers={"WWW-Authenticate": REALM})
    now = timezone.now()
    found = tokens.find(text.strip())
    if found is None or not found.is_valid(now):
        raise _invalid(found)
    allowance = rate_limit.take(found, now)
    request.allowance = allowance  # type: ignore[attr-defined]  # for the headers of the answer
    if allowance is not None and not allowance.is_granted:
        raise of_status(429)
    tokens.note_use(found, now)
    request.identified = found  # type: ignore[attr-defined]
    return found


def caller(request: Any) -> ApiToken:
    """Return the token that authenticated the request."""
    token = request.auth
    assert isinstance(token, ApiToken)
    return token


def _invalid(token: ApiToken | None) -> ApiError:
    """Return the error that says why the token is invalid. Its sender may know the reason."""
    if token is None:
        code, why = "TOKEN_UNKNOWN", _("Invalid token. A token is shown only once, when it is created: copy all of it.")
    elif token.revoked_at is not None:
        code, why = "TOKEN_REVOKED", _("This token was revoked on %(day)s. Create a new one.")
    elif not token.user.is_active:
        code, why = "USER_INACTIVE", _("The account of this token is deactivated.")
    else:
        code, why = "TOKEN_EXPIRED", _("This token expired on %(day)s. Create a new one.")
    day = (token.revoked_at or token.expires_at).date().isoformat() if token else ""
    # RFC 6750, section 3: error descriptions for programs are ASCII.
    challenge = f'{REALM}, error="invalid_token", error_description="{code}"'
    return ApiError(code, why % {"day": day}, status=401, headers={"WWW-Authenticate": challenge})


def forbidden(token: ApiToken, permission: str) -> ApiError:
    """Return the error that names what is missing: first the role, because another token would not help then."""
    if not token.user.has_perm(permission):
        words = _("%(name)s has the role %(role)s, which may not do this. Ask an admin.")
        return ApiError("ROLE_INSUFFICIENT", words % {"name": token.user.username, "role": token.user.role}, status=403)
    scope = scope_needed(permission)
    words = _("This token has the scope %(scope)s. Create one with the scope %(needed)s.")
    return ApiError(
        "SCOPE_INSUFFICIENT",
        words % {"scope": token.scope, "needed": scope},
        status=403,
        details={"scope": token.scope, "needed": scope},
        headers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
    )
