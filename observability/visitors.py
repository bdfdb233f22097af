"""Find the address of a visitor behind our own proxies."""

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str:
    """Return the visitor's address: the peer's, or the one that the outermost of our own proxies recorded.

    X-Forwarded-For grows to the right, so with n proxies of ours the n-th entry from the right is true, and the visitor
    controls everything left of it. Limits by this address must tolerate a forged one: it only buys more attempts.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.TRUSTED_PROXIES:
        return peer
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    return hops[-min(settings.TRUSTED_PROXIES, len(hops))] if hops else peer
