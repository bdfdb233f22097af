"""System checks of the settings that only this app understands."""

import re
from typing import Any

import httpx
from django.conf import settings
from django.core.checks import Error, register

from monitoring.models.services import SLUG
from monitoring.probes.http.requests import check_url
from monitoring.probes.net.resolver import parse_nameserver


@register("settings")
def check_name_servers(**_: Any) -> list[Error]:
    errors = []
    for text in settings.PROBE_DNS_SERVERS:
        try:
            parse_nameserver(text)
        except ValueError as error:
            hint = "Set it to ip or ip:port; separate several by commas."
            errors.append(
                Error(f"PROBE_DNS_SERVERS: {text!r} cannot be used: {error}", hint=hint, id="monitoring.E001")
            )
    return errors


@register("settings")
def check_canaries(**_: Any) -> list[Error]:
    """Refuse canaries that can never answer, with which every outage of many services would count as our own."""
    errors = []
    for text in settings.CANARY_URLS:
        try:
            check_url(text)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            hint = "Set it to URLs such as https://example.com/, separated by commas."
            errors.append(Error(f"CANARY_URLS: {text!r} cannot be asked: {error}", hint=hint, id="monitoring.E002"))
    return errors


@register("settings")
def check_region(**_: Any) -> list[Error]:
    """Refuse a region that no service can have, as nothing would ever be probed from it."""
    if re.match(SLUG, settings.REGION):
        return []
    hint = "Use lowercase letters, digits and single hyphens, for example seoul."
    return [Error(f"REGION: {settings.REGION!r} is not a name of a region", hint=hint, id="monitoring.E003")]
