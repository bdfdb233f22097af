"""Metrics of requests by route: number and duration."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponseBase

from observability import metrics

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
SECONDS: Sequence[float] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_requests = metrics.counter("http_requests", "Requests answered.", ["method", "route", "status"])
_seconds = metrics.histogram(
    "http_request_duration_seconds", "Time from request to response.", ["method", "route"], buckets=SECONDS
)


def route_of(request: HttpRequest) -> str:
    """Return the name of a request's route, one of those in our urls; `none` if nothing matched."""
    match = request.resolver_match
    return (match.view_name or match.route) if match else "none"


def measure(request: HttpRequest, response: HttpResponseBase, took_s: float) -> None:
    """Count an answered request."""
    method = request.method if request.method in METHODS else "other"
    route = route_of(request)
    _requests.labels(method, route, response.status_code).inc()
    _seconds.labels(method, route).observe(took_s)


def measure_many(method: str, route: str, status: str, seconds: Sequence[float]) -> None:
    """Count requests that were answered elsewhere; `method`, `route` and `status` come from our own code."""
    _requests.labels(method, route, status).inc(len(seconds))
    _seconds.labels(method, route).observe_many(seconds)
