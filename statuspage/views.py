from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_safe

from statuspage import assets, front

ROBOTS = "".join(
    f"{line}\n"
    for line in (
        "User-agent: *",
        *(f"Disallow: /{path}" for path in ("admin/", "api/push/", "heartbeat/", "language", "ping/")),
    )
)
YEAR_S = 365 * 86_400


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show the public page; with `?lang=ko` remember that language and show it, or the page named by `next`, then."""
    language = request.GET.get("lang")
    if language in dict(settings.LANGUAGES):
        return _remember(str(language), _way_back(request))
    found = front.reply(front.visit_of(request.META), timezone.now())
    if found is None:
        return _unavailable(request)
    status, headers, body = found
    return HttpResponse(body, status=int(status[:3]), headers=dict(headers))


@login_not_required
@require_safe
def asset(request: HttpRequest, version: str, name: str) -> HttpResponse:
    """Serve a style sheet, script or icon."""
    kept = assets.load()
    content = kept.files.get(name)
    if content is None:
        raise Http404(name)
    # A page that an earlier version rendered requests the files of that version. It gets ours, which it must not cache.
    lifetime = f"max-age={YEAR_S}, immutable" if version == kept.version else "max-age=60"
    return HttpResponse(
        content,
        content_type=assets.CONTENT_TYPES[name[name.rindex(".") :]],
        headers={"Cache-Control": f"public, {lifetime}"},
    )


@login_not_required
@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Let search engines have what the public may read, and spare them what leads nowhere or does something."""
    return HttpResponse(ROBOTS, content_type="text/plain", headers={"Cache-Control": "public, max-age=86400"})


def _unavailable(request: HttpRequest) -> HttpResponse:
    response = render(request, "statuspage/unavailable.html", status=503)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Retry-After"] = "10"
    return response


def _way_back(request: HttpRequest) -> str:
    """Return the page of ours on which the language was switched."""
    path = request.GET.get("next", "/")
    return path if url_has_allowed_host_and_scheme(path, allowed_hosts=None) else "/"


def _remember(language: str, path: str) -> HttpResponse:
    response = HttpResponseRedirect(path, headers={"Cache-Control": "no-store"})
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=YEAR_S,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )
    return response
