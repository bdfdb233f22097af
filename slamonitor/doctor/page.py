"""The diagnostics page of the admin: the findings of `manage.py doctor`, for admins without a shell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.permissions import VIEW_DIAGNOSTICS
from monitoring.admin_site.signs import sign
from observability import diagnostics
from observability.diagnostics import Examined, Finding, Verdict
from slamonitor.command_line import runnable
from slamonitor.doctor.findings import AREAS, by_area

SHAPES = {Verdict.GOOD: "ok", Verdict.NOTE: "info", Verdict.WARNING: "partial", Verdict.BAD: "major"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One finding on the page."""

    title: str
    sign: SafeString
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    name: str
    title: str | Promise
    rows: Sequence[Row]


def urls() -> list[URLPattern]:
    """Return the URL patterns of this page, which the admin site puts below its own."""
    return [path("diagnostics/", admin.site.admin_view(show), name="diagnostics")]


@never_cache
@require_safe
@permission_required(VIEW_DIAGNOSTICS, raise_exception=True)
def show(request: HttpRequest) -> HttpResponse:
    """Examine everything now and show the findings; those that need action come first."""
    found = diagnostics.doctor.examine()
    urgent = [each for each in found if each.finding.verdict in (Verdict.WARNING, Verdict.BAD)]
    context = {
        **admin.site.each_context(request),
        "title": _("Diagnostics"),
        "is_fullwidth": "1",
        "urgent": [_row(each) for each in sorted(urgent, key=_worst_first)],
        "areas": areas(found),
        "examined_at": timezone.now(),
        "command": runnable("manage.py doctor"),
    }
    return TemplateResponse(request, "admin/diagnostics.html", context)


def areas(found: Sequence[Examined]) -> list[Area]:
    return [
        Area(name=name, title=AREAS.get(name, name), rows=[_row(each) for each in group])
        for name, group in by_area(found).items()
    ]


def _row(each: Examined) -> Row:
    words = {
        Verdict.GOOD: _("good"),
        Verdict.NOTE: _("information"),
        Verdict.WARNING: _("warning"),
        Verdict.BAD: _("bad"),
    }
    found = each.finding
    found = replace(found, says=runnable(found.says), remedy=runnable(found.remedy))
    return Row(title=str(each.check.title), sign=sign(SHAPES[found.verdict], words[found.verdict]), finding=found)


def _worst_first(each: Examined) -> bool:
    return each.finding.verdict is not Verdict.BAD
