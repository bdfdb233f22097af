"""Limit the sign-ins of one address, successful or not: each costs a quarter of a second of a core (bcrypt).

The lock-out (`accounts/lockout.py`) counts failures by name, after a password was hashed; this counts before.
"""

import math
from collections.abc import Callable
from time import monotonic as now_s

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _

from observability.buckets import Buckets, neighbourhood
from observability.visitors import client_ip

AT_ONCE, THEN_EVERY_S = 10, 6
MOST_ADDRESSES = 4_096

attempts = Buckets(size=AT_ONCE, refilled_every_s=THEN_EVERY_S, most_keys=MOST_ADDRESSES)


def limit(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse a sign-in beyond the limit, before anything is looked up or hashed."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or request.path_info != reverse("admin:login"):
            return get_response(request)
        wait_s = math.ceil(attempts.take(neighbourhood(client_ip(request)), now_s()))
        return _say_too_often(wait_s) if wait_s else get_response(request)

    return middleware


def _say_too_often(wait_s: int) -> HttpResponse:
    words = _("Too many sign-ins from your address. Try again in %(seconds)d s.") % {"seconds": wait_s}
    answer = HttpResponse(f"{words}\n", status=429, content_type="text/plain; charset=utf-8")
    answer.headers["Retry-After"] = str(wait_s)
    add_never_cache_headers(answer)
    return answer
