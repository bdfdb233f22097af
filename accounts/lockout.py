"""Lock sign-ins after too many failures: limits, durations and messages (django-axes stores the failures).

Three limits apply, each over `AXES_COOLOFF_TIME`: a name from one neighbourhood, a neighbourhood with any names, and a
name from anywhere. The last one exempts browsers in which that name has signed in before, so that strangers who guess a
user's password lock out one another and not the user.
"""

import ipaddress
from datetime import timedelta
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from accounts.models import User
from observability.buckets import neighbourhood
from observability.visitors import client_ip

IN_NEIGHBOURHOOD = 25  # failures with any names; all users of an office may share one address
OF_NAME = 100  # failures from anywhere
LONGEST_NAME = 255  # as django-axes stores it
KNOWN, KNOWN_FOR = "known_browser", timedelta(days=365)  # a signed cookie: the id of the user who last signed in here


def locked_out(request: HttpRequest, response: Any = None, credentials: Any = None) -> HttpResponse:
    """Refuse a sign-in without trying it. The message is the same whether or not the user exists."""
    context = {**admin.site.each_context(request), "minutes": settings.AXES_COOLOFF_TIME // timedelta(minutes=1)}
    answer = render(request, "accounts/locked.html", context, status=429)
    add_never_cache_headers(answer)
    return answer


def neighbourhood_address(request: HttpRequest) -> str | None:
    """Return the first address of the visitor's neighbourhood; None for an invalid address, all of which share one."""
    try:
        return str(ipaddress.ip_network(neighbourhood(client_ip(request).partition("%")[0])).network_address)
    except ValueError:
        return None


def name_of(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Return the submitted name, cut to the length of the column; no user has a longer one."""
    given = (credentials or {}).get("username") or request.POST.get("username", "")
    return str(given).replace("\0", "")[:LONGEST_NAME]


class Handler(AxesDatabaseHandler):  # type: ignore[misc]  # not typed
    """Count failures by name, by neighbourhood, and by both."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Return the failures of the name in this neighbourhood, or the limit if another limit is reached."""
        name, address = get_client_username(request, credentials), request.axes_ip_address  # type: ignore[attr-defined]
        of_name, here = Q(username=name), Q(ip_address=address)
        lately = AccessAttempt.objects.filter(attempt_time__gte=get_cool_off_threshold(request))
        found = lately.filter(of_name | here).aggregate(
            both=Sum("failures_since_start", filter=of_name & here, default=0),
            here=Sum("failures_since_start", filter=here, default=0),
            of_name=Sum("failures_since_start", filter=of_name, default=0),
        )
        is_locked = found["here"] >= IN_NEIGHBOURHOOD or (found["of_name"] >= OF_NAME and not is_known(request, name))
        return int(max(found["both"], settings.AXES_FAILURE_LIMIT) if is_locked else found["both"])


def is_known(request: HttpRequest, name: str) -> bool:
    """Return whether this name has signed in with this browser before."""
    known = request.get_signed_cookie(KNOWN, None, salt=KNOWN, max_age=KNOWN_FOR)
    return known is not None and User.objects.filter(pk=known, username=name).exists()


def remember_browser(response: HttpResponse, user: User) -> None:
    response.set_signed_cookie(
        KNOWN,
        str(user.pk),
        salt=KNOWN,
        max_age=KNOWN_FOR,
        path=reverse(settings.LOGIN_URL),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
