"""The language of a visitor: the one chosen by the switch, else the browser's, else the site's."""

import re
from functools import lru_cache

from django.conf import settings
from django.utils.translation import get_supported_language_variant
from django.utils.translation.trans_real import parse_accept_lang_header

_CHOSEN = re.compile(rf"(?:^|;\s*){re.escape(settings.LANGUAGE_COOKIE_NAME)}=([A-Za-z-]{{1,16}})(?:;|$)")


def of_visitor(cookies: str, accept: str) -> str:
    """Return one of LANGUAGES from the two headers, in the same order as Django's LocaleMiddleware."""
    # Most visitors never use the switch, and other cookies differ in each request: only the chosen language is a key.
    chosen = _CHOSEN.search(cookies) if cookies else None
    return _negotiate(chosen[1] if chosen else "", accept)


@lru_cache(maxsize=1024)
def _negotiate(chosen: str, accept: str) -> str:
    if chosen in dict(settings.LANGUAGES):
        return chosen
    for code, _quality in parse_accept_lang_header(accept.lower()):
        if code == "*":
            break
        try:
            return get_supported_language_variant(code)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE
