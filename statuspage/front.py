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
from statuspage.rendering import Answer, Headers
from statuspage.visits import visits

Environ = Mapping[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Reply = tuple[str, Headers, bytes, str]


def reply(environ: Environ, now: datetime) -> Reply | None:
    """Return status, headers, body and language of the page for a visitor; None while there is no page yet."""
    edition = keeper.edition(now)
    if edition is None:
        return None
    wanted = _language_of(environ)
    return _form_of(edition.answer(wanted), wanted, environ)


def at_once(environ: Environ) -> tuple[str, Headers, bytes] | None:
    """Return status, headers and body for a plain visit, or None for other requests and if the page must be waited for.

    The event loop calls this and must not wait; it hands the other visits to a thread.
    """
    if not _is_plain_visit(environ):
        return None
    began_s = time.perf_counter()
    edition = keeper.edition_at_once(timezone.now())
    wanted = _language_of(environ)
    answer = edition.finished(wanted) if edition is not None else None
    if answer is None:
        return None
    status, headers, body, _spoken = _form_of(answer, wanted, environ)
    visits.note((environ["REQUEST_METHOD"], status[:3], wanted), began_s, time.perf_counter())
    return status, headers, body


def poll() -> None:
    """Check whether the page has changed, even without visitors, so that the next visitor need not wait for that."""
    keeper.edition_at_once(timezone.now())


def _language_of(environ: Environ) -> str:
    return language.of_visitor(environ.get("HTTP_COOKIE", ""), environ.get("HTTP_ACCEPT_LANGUAGE", ""))


def _form_of(answer: Answer, wanted: str, environ: Environ) -> Reply:
    """Choose the form of a response: unchanged, compressed or plain."""
    if answer.tag in environ.get("HTTP_IF_NONE_MATCH", ""):
        return "304 Not Modified", answer.unchanged_headers, b"", wanted
    if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        return "200 OK", answer.gzipped_headers, answer.gzipped, wanted
    return "200 OK", answer.html_headers, answer.html, wanted


def front_door(application: Application) -> Application:
    """Wrap a WSGI application, which gets all requests except plain visits that can be answered from memory."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _is_plain_visit(environ):
            return application(environ, start_response)
        began_s = time.perf_counter()
        visit = reply(environ, timezone.now())
        if visit is None:
            return application(environ, start_response)
        status, headers, body, spoken = visit
        method = environ["REQUEST_METHOD"]
        start_response(status, list(headers))
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
    """Return whether the visit came over TLS if that is required; Django redirects the others."""
    return not settings.HTTPS or environ.get("HTTP_X_FORWARDED_PROTO") == "https"


@lru_cache(maxsize=256)
def _is_our_name(host: str) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
