"""Whom a request comes from, as far as our own proxies say."""

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str:
    """Return the visitor's address: the peer's, or what the outermost of our own proxies wrote down.

    X-Forwarded-For grows to the right, so with n proxies of ours the n-th from the right is true, and whatever stands
    left of it is what the visitor says. Who counts by it must bear a lie: it would only buy tries.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.TRUSTED_PROXIES:
        return peer
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    return hops[-min(settings.TRUSTED_PROXIES, len(hops))] if hops else peer
