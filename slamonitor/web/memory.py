"""Answer requests for the public page and `/livez` in the event loop, so that they work even if all else hangs."""

import time
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from observability import views
from observability.harmless import harmless
from observability.request_figures import measure_many
from slamonitor.web.messages import Response, status_line
from statuspage import front
from statuspage.headers import standing_headers


def from_memory(meta: Mapping[str, Any]) -> Response | None:
    """Return the response to a request if it is in memory, else None."""
    visit = front.plain_visit(meta)
    if visit is not None:
        return of_visit(visit)
    if meta["PATH_INFO"] == "/livez" and meta["REQUEST_METHOD"] in ("GET", "HEAD"):
        return _life(meta)
    return None


def of_visit(visit: front.Visit) -> Response | None:
    """Return the page as this visitor should see it, or None if it is not in memory."""
    found = front.at_once(visit)
    return Response(*found) if found is not None else None


def _life(meta: Mapping[str, Any]) -> Response:
    began_s = time.perf_counter()
    request = HttpRequest()
    request.META, request.method = dict(meta), meta["REQUEST_METHOD"]
    answer = views.show_life(request)
    for name, value in standing_headers():
        answer.headers.setdefault(name, value)
    with harmless("request"):
        measure_many(meta["REQUEST_METHOD"], "observability:livez", "200", [time.perf_counter() - began_s])
    return Response(status_line(answer.status_code), list(answer.items()), answer.content)
