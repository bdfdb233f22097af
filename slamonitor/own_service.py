"""The service by which a new installation monitors its own page."""

import socket
from urllib.parse import urlsplit

from django.conf import settings

from monitoring.catalogue.sync import Wanted, sync
from monitoring.models import Service
from monitoring.probes.net.address import AddressPolicy, refusal

ID = "sla-monitor"
MARK = "first_run_url"  # a key of the metadata: the URL set here, to recognize that a user changed it
INTERVAL_MS = 10_000


def keep(health_url: str) -> str | None:
    """Add the service if there is none, archived ones included; update its URL unless a user changed it."""
    mark = {"endpoint_url": health_url, "metadata": {MARK: health_url}}
    if not Service.objects.exists():
        if not _may_be_probed(health_url):
            return (
                f"Not monitoring the status page: PROBE_ALLOW_PRIVATE=false does not allow checks of {health_url}."
                " Add a service with the public address of the page."
            )
        values = {
            "name": "SLA Monitor",
            "description": "The status page of this monitor.",
            "check_interval": INTERVAL_MS,
        }
        sync([Wanted(id=ID, values={**values, **mark})])
        return f"Monitoring the status page every {INTERVAL_MS // 1000} s at {health_url}"
    own = Service.objects.present().filter(id=ID).first()
    if own is None or own.endpoint_url == health_url or own.metadata.get(MARK) != own.endpoint_url:
        return None
    sync([Wanted(id=ID, values={**mark, "metadata": {**own.metadata, MARK: health_url}})])
    return f"Monitoring the status page at {health_url} from now on"


def _may_be_probed(url: str) -> bool:
    """Return whether our own settings allow probing a URL."""
    if settings.PROBE_ALLOW_PRIVATE:
        return True
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return False  # a name that only a private network resolves
    policy = AddressPolicy(allow_private=False)
    return any(refusal(str(address[0]), policy) is None for *_about, address in found)
