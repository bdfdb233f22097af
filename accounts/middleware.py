"""Rules for every signed-in user: replace a one-time password first, and end idle sessions."""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from accounts import lockout

CHANGE_PASSWORD = "admin:password_change"  # noqa: S105  an address
WITH_ONE_TIME_PASSWORD = {CHANGE_PASSWORD, "admin:logout", "admin:jsi18n"}
SESSION_RENEWED_AFTER_S = 300
UNATTENDED = "admin:now"  # an open page requests it by itself, which is no use of a session


def without_odd_cookies(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Drop cookies with a NUL, which quotes can hide as `\\000`: PostgreSQL refuses to look up such a session."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "\\000" in request.META.get("HTTP_COOKIE", ""):
            request.COOKIES = {name: value for name, value in request.COOKIES.items() if "\0" not in value}
        return get_response(request)

    return middleware


class OneTimePasswordMiddleware:
    """Redirect users with a one-time password to the form for a new password, whatever they request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], *_: Any) -> HttpResponse | None:
        is_public = not getattr(view, "login_required", True)  # the attribute that LoginRequiredMiddleware reads
        if is_public or not getattr(request.user, "must_change_password", False):
            return None
        match = request.resolver_match
        if match is not None and match.view_name in WITH_ONE_TIME_PASSWORD:
            return None
        return HttpResponseRedirect(reverse(CHANGE_PASSWORD))


def renew_session(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Measure the age of a session from its last use, not from its start.

    SESSION_SAVE_EVERY_REQUEST would do so with a write for each request; this writes every few minutes.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        # Without the cookie nobody is signed in, and the public page must not query the database.
        if request.path.startswith("/admin/") and request.user.is_authenticated:
            now = int(time.time())
            is_due = now - request.session.get("renewed_at", 0) >= SESSION_RENEWED_AFTER_S
            if is_due and request.path != reverse(UNATTENDED):
                request.session["renewed_at"] = now
        return get_response(request)

    return middleware


def remember_browser(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Mark the browser in which somebody signs in; see `accounts/lockout.py`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.method == "POST" and request.path == reverse(settings.LOGIN_URL) and request.user.is_authenticated:
            lockout.remember_browser(response, request.user)
        return response

    return middleware


def rate_limit_headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Add the remaining requests of a token to the response, and forbid shared caches to store it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not hasattr(request, "allowance"):
            return response
        if request.allowance is not None:
            for name, value in request.allowance.headers().items():
                response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "private, no-cache")
        patch_vary_headers(response, ["Authorization"])
        return response

    return middleware
