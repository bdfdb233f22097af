"""`/api/v1/token`: what the caller's own token permits."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, Field

from accounts.bearer import Bearer
from accounts.callers import caller
from accounts.models import ApiToken
from accounts.permissions import Role, Scope

router = Router(tags=["Token"])


class TokenOut(BaseModel):
    """A token, without its text."""

    name: str = Field(description="Purpose of the token.")
    hint: str = Field(description="Last four characters of the token.")
    user: str = Field(description="Name of the user that the token acts for.")
    role: Role = Field(description="Role of the user. A token never has more permissions than its user.")
    scope: Scope = Field(description="`read` allows viewing, `write` also daily work, `admin` also permanent changes.")
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(description="Accurate to the minute.")


@router.get("/token", response=TokenOut, auth=Bearer(), summary="Read your own token", operation_id="read_token")
def read_token(request: HttpRequest) -> TokenOut:
    """Return the caller's token: its user, its scope and its expiry."""
    token: ApiToken = caller(request)
    return TokenOut(
        name=token.name,
        hint=token.hint,
        user=token.user.username,
        role=Role(token.user.role),
        scope=Scope(token.scope),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
    )
