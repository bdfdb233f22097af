"""Translate the reason of a failed check into the reader's language.

English sentences are stored, since the reader's language is not known then. A sentence is recognised by its form, else
shown as it is.
"""

import re
from functools import lru_cache

from django.utils import translation
from django.utils.translation import gettext_noop as _

# The sentences of probes, the more specific ones first.
CAUSES = (
    _("connection refused by %(peer)s"),
    _("no route to host %(peer)s"),
    _("connection to %(peer)s timed out"),
    _("connection reset by %(peer)s while connecting"),
    _("connection reset by %(peer)s while waiting for the answer"),
    _("connection reset by %(peer)s during the TLS handshake"),
    _("%(peer)s closed the connection while waiting for the answer"),
    _("%(peer)s closed the connection during the TLS handshake"),
    _("%(peer)s closed the connection in the middle of the body"),
    _("no answer within %(limit)s: connecting to %(peer)s"),
    _("no answer within %(limit)s: connected to %(peer)s, waiting for the TLS handshake"),
    _("no answer within %(limit)s: connected to %(peer)s, waiting for the first byte"),
    _("no complete answer within %(limit)s: %(peer)s began to answer, waiting for the rest of the headers"),
    _("no complete answer within %(limit)s: %(peer)s answered %(code)s, waiting for the rest of the body"),
    _("%(host)s was not resolved within %(limit)s: no answer from %(server)s"),
    _("no such host: %(host)s"),
    _("no such name: %(name)s"),
    _("answered %(status)s, not %(expected)s"),
    _("answered %(status)s"),
    _("took %(took)s, more than %(limit)s, of which %(part)s to resolve the name"),
    _("took %(took)s, more than %(limit)s, of which %(part)s to connect"),
    _("took %(took)s, more than %(limit)s, of which %(part)s for the TLS handshake"),
    _("took %(took)s, more than %(limit)s, of which %(part)s to the first byte"),
    _("took %(took)s, more than %(limit)s, of which %(part)s for the body and redirects"),
    _("took %(took)s, more than %(limit)s"),
    _("keyword %(keyword)s is not in the body (%(length)s bytes)"),
    _("keyword %(keyword)s is in the body, where it must not be"),
    _("body is not JSON: %(what)s"),
    _("JSON has %(found)s at %(path)s, not %(expected)s"),
    _("TLS certificate expired %(age)s ago"),
    _("TLS certificate expires in %(left)s, on %(date)s"),
    _("TLS certificate is self-signed"),
    _("TLS certificate is signed by an authority that is not trusted"),
    _("TLS certificate is for %(names)s, not %(host)s"),
    _("TLS handshake failed: server does not speak TLS on this port"),
)
_TELLING = frozenset({"status", "expected", "code"})  # values that tell causes apart
_PART = re.compile(r"%\\\((\w+)\\\)s")


def in_words(sentence: str | None) -> str:
    """Return a failure's reason in the active language; remarks, and sentences of a newer version, stay English."""
    if not sentence or (translation.get_language() or "en").startswith("en"):
        return sentence or ""
    for cause, form in _forms():
        if match := form.fullmatch(sentence):
            return translation.gettext(cause) % match.groupdict()
    return sentence


def without_places(sentence: str) -> str:
    """Return a failure's reason, in the active language, without the values that differ between services.

    Outages with the same cause have the same text: "connection refused by …", whatever their addresses.
    """
    for cause, form in _forms():
        if match := form.fullmatch(sentence):
            values = {name: value if name in _TELLING else "…" for name, value in match.groupdict().items()}
            return translation.gettext(cause) % values
    return sentence


@lru_cache
def _forms() -> list[tuple[str, re.Pattern[str]]]:
    return [(cause, re.compile(_PART.sub(r"(?P<\1>.+?)", re.escape(cause)))) for cause in CAUSES]
