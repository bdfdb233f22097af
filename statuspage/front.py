"""Answer a plain visit to the page from memory, ahead of Django's stack, which would take ten times as long."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils import timezone

from statuspage import language
from statuspage.keeper import keeper
from statuspage.rendering import Headers
from statuspage.visits import visits

Environ = Mapping[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Reply = tuple[str, Headers, bytes, str]


def reply(environ: Environ, now: datetime) -> Reply | None:
    """Return status, headers, body and language of the page for a visitor; None while there is no page yet."""
    edition = keeper.edition(now)
    if edition is None:
        return None
    wanted = language.of_visitor(environ.get("HTTP_COOKIE", ""), environ.get("HTTP_ACCEPT_LANGUAGE", ""))
    answer = edition.answer(wanted)
    if answer.tag in environ.get("HTTP_IF_NONE_MATCH", ""):
        return "304 Not Modified", answer.unchanged_headers, b"", wanted
    if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        return "200 OK", answer.gzipped_headers, answer.gzipped, wanted
    return "200 OK", answer.html_headers, answer.html, wanted


def front_door(application: Application) -> Application:
    """Wrap a WSGI application: what is not a plain visit, or cannot be answered, is left to it."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _is_plain_visit(environ):
            return application(environ, start_response)
        began_s = time.perf_counter()
        visit = reply(environ, timezone.now())
        if visit is None:
            return application(environ, start_response)
        status, headers, body, spoken = visit
        method = environ["REQUEST_METHOD"]
        start_response(status, headers)
        visits.note((method, status[:3], spoken), began_s, time.perf_counter())
        return [] if method == "HEAD" else [body]

    return answer


def _is_plain_visit(environ: Environ) -> bool:
    return (
        environ["PATH_INFO"] == "/"
        and not environ.get("QUERY_STRING")
        and environ["REQUEST_METHOD"] in ("GET", "HEAD")
        and _is_safe(environ)
        and _is_our_name(environ.get("HTTP_HOST", ""))
    )


def _is_safe(environ: Environ) -> bool:
    """Say whether the visit came over TLS where that is asked for; Django leads others there."""
    return not settings.HTTPS or environ.get("HTTP_X_FORWARDED_PROTO") == "https"


@lru_cache(maxsize=256)
def _is_our_name(host: str) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
