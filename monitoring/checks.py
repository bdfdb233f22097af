"""System checks of the settings that only this app understands."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from monitoring.probes.resolver import parse_nameserver


@register("settings")
def check_name_servers(**_: Any) -> list[Error]:
    errors = []
    for text in settings.PROBE_DNS_SERVERS:
        try:
            parse_nameserver(text)
        except ValueError as error:
            hint = "Write ip or ip:port, several separated by commas."
            errors.append(
                Error(f"PROBE_DNS_SERVERS: {text!r} cannot be used: {error}", hint=hint, id="monitoring.E001")
            )
    return errors
