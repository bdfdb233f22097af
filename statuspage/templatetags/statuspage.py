"""Tags that need nothing from the view, so that error pages can use them too."""

import json

from django import template
from django.conf import settings
from django.utils.translation import get_language

from monitoring.words.durations import unit_formats
from observability import trace
from statuspage import assets

register = template.Library()


@register.simple_tag
def asset(name: str) -> str:
    """Return the URL of a style sheet, script or icon."""
    return assets.url(name)


@register.simple_tag
def site_name() -> str:
    return settings.SITE_NAME


@register.simple_tag
def other_languages() -> list[tuple[str, str]]:
    """Return code and native name of each language that the page could switch to."""
    return [(code, name) for code, name in settings.LANGUAGES if code != get_language()]


@register.simple_tag
def unit_formats_json() -> str:
    """Return the formats of durations, for the script that updates them."""
    return json.dumps(unit_formats(), ensure_ascii=False)


@register.simple_tag
def trace_id() -> str:
    """Return the id of this request in our log, for people to quote."""
    context = trace.current()
    return context.trace_id if context else ""
