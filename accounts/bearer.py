"""Authenticate API operations: check a token's permission by the role of its user and its scope."""

from django.http import HttpRequest
from ninja.security import HttpBearer

from accounts import tokens
from accounts.callers import forbidden, identify
from accounts.models import ApiToken


class Bearer(HttpBearer):
    """Accept tokens with one permission, and set `request.auth` to the token."""

    openapi_bearerFormat = tokens.PREFIX + "…"

    def __init__(self, permission: str | None = None) -> None:
        """Require a permission; with None every valid token is accepted."""
        self.permission = permission
        super().__init__()

    def __call__(self, request: HttpRequest) -> ApiToken:
        """Return the caller's token. Raises `ApiError`: those of `identify`, and 403 without the permission."""
        found = identify(request)
        if self.permission is not None and not found.may(self.permission):
            raise forbidden(found, self.permission)
        return found

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        raise NotImplementedError("identify() does it")
