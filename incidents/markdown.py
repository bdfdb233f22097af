"""Markdown of updates, as HTML that is safe on any page, and as plain text. Pure.

Anybody who may write an update may write the text, so nothing in it is trusted: markdown-it passes no HTML through, and
nh3 keeps only the elements below. Headings and images are plain text: a heading would disturb the outline of the page,
and an image would tell a third party who reads it.
"""

import re
from functools import lru_cache

import nh3
from django.core.exceptions import ValidationError
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt

MOST_CHARACTERS = 20_000
MOST_BRACKETS = 500  # for each, the parser looks for the end of a link up to the end of the text
ELEMENTS = {"a", "blockquote", "br", "code", "em", "hr", "li", "ol", "p", "pre", "s", "strong", "ul"}
TABLES = {"table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto", "tel"}
# Embeddings, overrides and isolates that change the direction of text, also of what follows. The marks U+200E and
# U+200F stay: they affect only their neighbours, and Hebrew and Arabic texts need them.
BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

WITHOUT = ["image", "heading", "lheading", "reference"]
_parser = MarkdownIt("js-default", {"breaks": True}).disable(WITHOUT)
_parser_without_links = MarkdownIt("js-default", {"breaks": True}).disable([*WITHOUT, "link"])


def validate(text: str) -> None:
    """Refuse a text that is too long or has control characters. Raises ValidationError."""
    if len(text) > MOST_CHARACTERS:
        message = _("This text has %(length)s characters. Shorten it to %(most)s.")
        raise ValidationError(message, "too_long", {"length": len(text), "most": MOST_CHARACTERS})
    if found := _CONTROLS.search(text):
        message = _("The character %(character)s at position %(position)s cannot be shown. Remove it.")
        params = {"character": f"U+{ord(found[0]):04X}", "position": found.start() + 1}
        raise ValidationError(message, "control_character", params)


@lru_cache(maxsize=512)
def html(text: str) -> SafeString:
    """Return the HTML of a text. Its links carry `rel="noopener noreferrer nofollow"`."""
    parser = _parser if text.count("[") <= MOST_BRACKETS else _parser_without_links
    rendered = parser.render(BIDI_CONTROLS.sub("", text[:MOST_CHARACTERS]))
    cleaned = nh3.clean(
        rendered,
        tags=ELEMENTS | TABLES,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    return SafeString(cleaned)


@lru_cache(maxsize=512)
def plain(text: str) -> str:
    """Return a text without its Markdown, for feeds, mails and previews."""
    words = nh3.clean(str(html(text)).replace("</p>", "\n\n</p>"), tags=set())
    return re.sub(r"\n{3,}", "\n\n", _unescaped(words)).strip()


def _unescaped(text: str) -> str:
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&nbsp;", "\u00a0"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return text
