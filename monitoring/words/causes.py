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
    _("%(bad)s of %(all)s addresses fails: %(which)s"),
    _("%(bad)s of %(all)s addresses fail: %(which)s"),
    _("%(slow)s of %(all)s addresses is slow: %(which)s"),
    _("%(slow)s of %(all)s addresses are slow: %(which)s"),
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
    _("ended at %(url)s, not at %(wanted)s"),
    _("body is not JSON: %(what)s"),
    _("JSON has %(found)s at %(path)s, not %(expected)s"),
    _("TLS certificate expired %(age)s ago"),
    _("TLS certificate expires in %(left)s, on %(date)s"),
    _("TLS certificate is self-signed"),
    _("TLS certificate is signed by an authority that is not trusted"),
    _("TLS certificate is for %(names)s, not %(host)s"),
    _("TLS certificate of the authority %(name)s expires in %(left)s, on %(date)s"),
    _("TLS certificate for %(host)s expires in %(left)s, on %(date)s"),
    _("TLS certificate names no host, only the common name %(name)s, which browsers ignore"),
    _(
        "TLS certificate is signed by an authority that is not trusted, and the server sent no intermediate"
        " certificate: %(name)s"
    ),
    _("TLS handshake failed: server does not speak TLS on this port"),
    _("TLS handshake failed: server has no cipher suite in common with us, or wants another name"),
    _("TLS handshake failed: server offers no protocol version that we accept"),
    _("TLS handshake failed: server requires a client certificate"),
    _("TLS handshake failed: server refused our client certificate (%(reason)s)"),
    _("server supports TLS %(version)s at most, but TLS %(wanted)s or newer is required"),
    _("weak TLS: %(suite)s with TLS %(version)s, which modern security would refuse"),
    _("domain %(domain)s expires in %(left)s, on %(date)s"),
    _("domain %(domain)s expired %(age)s ago, on %(date)s"),
    _("domain %(domain)s is not registered"),
    _("domain %(domain)s is about to be deleted by the registry (%(status)s)"),
    _("body not read: %(type)s has no end"),
    _("forgiven: bytes before the status line"),
    _("forgiven: status line %(line)s"),
    _("forgiven: lines that end in LF alone"),
    _("forgiven: lines that end in CR CR LF, or in CR alone"),
    _("forgiven: headers without an end, and so no body"),
    _("forgiven: a header folded into several lines"),
    _("forgiven: a header line without a name"),
    _("forgiven: a blank before the colon of a header"),
    _("forgiven: the same Content-Length several times"),
    _("forgiven: a Content-Length that is not a number (%(value)s)"),
    _("forgiven: blanks after the size of a chunk"),
    _("forgiven: lines between chunks that end in LF alone"),
    _("forgiven: Content-Encoding %(name)s, which packs nothing"),
    _("forgiven: a backslash in the Location header"),
    _("forgiven: a control character in the Location header"),
    _("forgiven: a blank in the Location header"),
)
REMARKS = ("forgiven: ", "body not read: ", "not verified: ", "weak TLS: ")
_TELLING = frozenset({"status", "expected", "code"})  # values that tell causes apart
_PART = re.compile(r"%\\\((\w+)\\\)s")


def in_words(sentence: str | None) -> str:
    """Return a failure's reason or remarks in the active language; sentences of a newer version stay English."""
    if not sentence or (translation.get_language() or "en").startswith("en"):
        return sentence or ""
    parts = sentence.split("; ")
    if len(parts) > 1 and any(part.startswith(REMARKS) or _after_address(part) for part in parts):
        return "; ".join(map(_one_in_words, parts))
    return _one_in_words(sentence)


def _one_in_words(sentence: str) -> str:
    for cause, form in _forms():
        if match := form.fullmatch(sentence):
            return translation.gettext(cause) % match.groupdict()
    if remark := _after_address(sentence):
        return sentence.removesuffix(remark) + _one_in_words(remark)
    return sentence


def _after_address(sentence: str) -> str:
    """Return the remark behind an address (`192.0.2.1: forgiven: …`); empty where there is none."""
    rest = sentence.partition(": ")[2]
    return rest if rest.startswith(REMARKS) else ""


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
