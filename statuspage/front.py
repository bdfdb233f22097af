"""Answer a plain visit to the page from memory, ahead of Django's stack, which would take ten times as long."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils import timezone

from statuspage import language
from statuspage.keeper import keeper
from statuspage.rendering import Answer, Headers
from statuspage.visits import visits

Environ = Mapping[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Reply = tuple[str, Headers, bytes]


class Visit(NamedTuple):
    """The parts of a plain visit on which its response depends."""

    method: str
    language: str
    accepts_gzip: bool
    known_tags: str


def plain_visit(environ: Environ) -> Visit | None:
    """Return the visit of a request; None if it is no plain visit."""
    return visit_of(environ) if _is_plain_visit(environ) else None


def visit_of(environ: Environ) -> Visit:
    return Visit(
        environ["REQUEST_METHOD"],
        language.of_visitor(environ.get("HTTP_COOKIE", ""), environ.get("HTTP_ACCEPT_LANGUAGE", "")),
        "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""),
        environ.get("HTTP_IF_NONE_MATCH", ""),
    )


def reply(visit: Visit, now: datetime) -> Reply | None:
    """Return status, headers and body of the page for a visitor; None while there is no page yet."""
    edition = keeper.edition(now)
    return _form_of(edition.answer(visit.language), visit) if edition is not None else None


def at_once(visit: Visit) -> Reply | None:
    """Return status, headers and body for a visit, or None if the page is not ready.

    The event loop calls this, so it must not wait. If the page is not ready, a thread waits for it.
    """
    began_s = time.perf_counter()
    edition = keeper.edition_at_once(datetime.now(UTC))
    answer = edition.finished(visit.language) if edition is not None else None
    if answer is None:
        return None
    found = _form_of(answer, visit)
    visits.note((visit.method, found[0][:3], visit.language), began_s, time.perf_counter())
    return found


def poll() -> None:
    """Check whether the page has changed, even without visitors, so that the next visitor need not wait for that."""
    keeper.edition_at_once(timezone.now())


def _form_of(answer: Answer, visit: Visit) -> Reply:
    """Choose the form of a response: unchanged, compressed or plain."""
    if visit.known_tags and answer.tag in visit.known_tags:
        return "304 Not Modified", answer.unchanged_headers, b""
    if visit.accepts_gzip:
        return "200 OK", answer.gzipped_headers, answer.gzipped
    return "200 OK", answer.html_headers, answer.html


def front_door(application: Application) -> Application:
    """Wrap a WSGI application, which gets all requests except plain visits that can be answered from memory."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        began_s = time.perf_counter()
        visit = plain_visit(environ)
        found = reply(visit, timezone.now()) if visit is not None else None
        if visit is None or found is None:
            return application(environ, start_response)
        status, headers, body = found
        start_response(status, list(headers))
        visits.note((visit.method, status[:3], visit.language), began_s, time.perf_counter())
        return [] if visit.method == "HEAD" else [body]

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
