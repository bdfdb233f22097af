import time

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from observability import health

VERSION = "0.1.0"
_started = time.monotonic()


@login_not_required
@never_cache
@require_safe
def show_health(request: HttpRequest) -> JsonResponse:
    """Tell load balancers and people whether all is well: 503 when something that we cannot do without is not."""
    dependencies = health.examine()
    status = health.overall(dependencies)
    body = {
        "status": status,
        "service": "sla-monitor",
        "timestamp": timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "version": VERSION,
        "dependencies": [
            {
                "name": dependency.name,
                "status": dependency.finding.status,
                "responseTime": dependency.response_ms,
                "message": dependency.finding.message,
            }
            for dependency in dependencies
        ],
        "uptime": int(time.monotonic() - _started),  # seconds
    }
    return JsonResponse(body, status=503 if status is health.Health.UNHEALTHY else 200)
