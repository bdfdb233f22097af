"""Texts of updates in templates."""

from django import template
from django.utils.safestring import SafeString

from incidents import markdown

register = template.Library()


@register.filter
def as_html(text: str) -> SafeString:
    """Return the Markdown of an update as HTML."""
    return markdown.html(text)
