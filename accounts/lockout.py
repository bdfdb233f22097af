"""Too many failed sign-ins: who is meant, for how long, and what they are told (django-axes does the counting)."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers


def say_locked(request: HttpRequest, response: Any = None, credentials: Any = None) -> HttpResponse:
    """Answer a sign-in that is not even tried. The same words whether or not there is such a user."""
    context = {**admin.site.each_context(request), "minutes": settings.AXES_COOLOFF_TIME // timedelta(minutes=1)}
    answer = render(request, "accounts/locked.html", context, status=429)
    add_never_cache_headers(answer)
    return answer
