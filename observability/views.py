"""Endpoints for load balancers, orchestrators, Prometheus and people: health, liveness, readiness, metrics."""

import ipaddress
import time

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from observability import health, metrics
from observability.version import VERSION

THROUGH_PROXY = ("X-Forwarded-For", "Forwarded", "X-Real-Ip")


@login_not_required
@never_cache
@require_safe
def show_health(request: HttpRequest) -> JsonResponse:
    """Return the health of the monitor: 503 if a required part is down."""
    return _answer(health.checks.recent())


@login_not_required
@never_cache
@require_safe
def show_life(request: HttpRequest) -> JsonResponse:
    """Return 200 as long as this process answers, whatever else is down: a restart would fix nothing."""
    return _answer([])


@login_not_required
@never_cache
@require_safe
def show_readiness(request: HttpRequest) -> JsonResponse:
    """Return whether this process should get visitors."""
    return _answer(health.checks.recent(only_needed_to_serve=True))


@login_not_required
@never_cache
@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Return all metrics for Prometheus."""
    if not _may_see_metrics(request):
        raise PermissionDenied
    return HttpResponse(metrics.render(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _may_see_metrics(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}")
    # Behind a proxy of ours, every visitor would seem to be a neighbour.
    if any(name in request.headers for name in THROUGH_PROXY):
        return False
    address = request.META.get("REMOTE_ADDR") or "127.0.0.1"  # none over a Unix socket
    return ipaddress.ip_address(address).is_private


def _answer(dependencies: list[health.Dependency]) -> JsonResponse:
    status = health.overall(dependencies)
    body = {
        "status": status,
        "service": settings.SERVICE_NAME,
        "timestamp": timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "version": VERSION,
        "dependencies": [
            {
                "name": dependency.name,
                "status": dependency.finding.status,
                "responseTime": dependency.response_ms,
                "message": dependency.finding.message.replace("manage.py", settings.PROGRAM_NAME),
            }
            for dependency in dependencies
        ],
        "uptime": int(time.monotonic() - health.STARTED),  # seconds
    }
    return JsonResponse(body, status=503 if status is health.Health.UNHEALTHY else 200)
