"""The headers of Django's middleware, for responses that are sent ahead of it."""

from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware

from statuspage.middleware import content_security_policy


@cache
def standing_headers() -> tuple[tuple[str, str], ...]:
    """Return the headers that the middleware adds to every response; it is called for them, so that both ways agree."""
    request = HttpRequest()
    request.path = "/"
    if settings.HTTPS:
        request.META["HTTP_X_FORWARDED_PROTO"] = "https"
    answer = HttpResponse()
    own = set(answer.headers)
    content_security_policy(lambda _: answer)(request)
    for middleware in (SecurityMiddleware, XFrameOptionsMiddleware):
        middleware(lambda _: answer).process_response(request, answer)
    return tuple((name, value) for name, value in answer.headers.items() if name not in own)
