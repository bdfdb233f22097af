"""Let into an operation of the API who may do one thing: by the role of the user, and by the scope of the token."""

from django.http import HttpRequest
from ninja.security import HttpBearer

from accounts import tokens
from accounts.callers import forbidden, identify
from accounts.models import ApiToken


class Bearer(HttpBearer):
    """Let in who has a token that may do one thing, and make that token `request.auth`."""

    openapi_bearerFormat = tokens.PREFIX + "…"

    def __init__(self, permission: str | None = None) -> None:
        """Ask for a permission; None lets every valid token in."""
        self.permission = permission
        super().__init__()

    def __call__(self, request: HttpRequest) -> ApiToken:
        """Return the caller's token. Raises `ApiError`: what `identify` does, and 403 for who may not do this."""
        found = identify(request)
        if self.permission is not None and not found.may(self.permission):
            raise forbidden(found, self.permission)
        return found

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        raise NotImplementedError("identify() does it")
