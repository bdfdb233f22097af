"""Find settings of a service that look like secrets but are not encrypted, so that all who see the settings read them.

They cause only a warning, as such a value need not be a secret.
"""

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from django.utils.translation import gettext as _

from monitoring.models import Service
from monitoring.probes.secrets import is_secret
from observability.masking import LONGEST, is_secret_name, mask_text

HEADERS = "headers"


def plain_secrets(service: Service) -> Iterator[tuple[str, str]]:
    """Yield the key of each such setting, as in a services file, and the remedy. Never the value."""
    sealable = _("This looks like a secret. Enter it as {secret: …} so that it is sealed.")
    headers = service.check_settings.get(HEADERS)
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if isinstance(value, str) and value and (is_secret_name(str(name)) or _holds_one(value)):
            yield f"check.{HEADERS}.{name}", sealable
    elsewhere = _(
        "This looks like a secret, and everybody who can see the service can read it. Send it as a"
        " sealed header instead."
    )
    for key, value in service.check_settings.items():
        if key != HEADERS and not is_secret(value) and isinstance(value, str) and _holds_one(value):
            yield f"check.{key}", elsewhere
    query = parse_qsl(urlsplit(service.endpoint_url or "").query)
    if any(is_secret_name(name) or _holds_one(value) for name, value in query):
        yield "endpoint_url", elsewhere


def warnings_of(service: Service) -> list[str]:
    return [f"{key}: {what}" for key, what in plain_secrets(service)]


def _holds_one(text: str) -> bool:
    return mask_text(text[:LONGEST]) != text[:LONGEST]
