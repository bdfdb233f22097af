"""Write services as a services file, in which `sync_services` finds nothing to change."""

from collections.abc import Iterable, Iterator
from typing import Any

from monitoring.catalogue.planned import COLUMNS, KEYS
from monitoring.config import sealing
from monitoring.config.placeholders import escaped
from monitoring.config.yaml_core import dump
from monitoring.models import Service
from monitoring.probes.secrets import is_secret

ALWAYS = frozenset({"id", "name", "display_name"})  # the others only if they differ from the default
BELOW_CHECK = frozenset({"kind", "check_settings"})


def export(services: Iterable[Service]) -> Iterator[str]:
    """Yield the text of the file in pieces. Secrets are `${NAME}`, or `unchanged` if not from a variable."""
    is_empty = True
    for service in services:
        if is_empty:
            yield "services:\n"
        is_empty = False
        yield dump([_written(service)])
    if is_empty:
        yield "services: []\n"


def _written(service: Service) -> dict[str, Any]:
    default = Service(id=service.id)
    written: dict[str, Any] = {}
    for column in COLUMNS:
        value = getattr(service, column)
        if column not in BELOW_CHECK and (column in ALWAYS or value != getattr(default, column)):
            written[KEYS.get(column, column)] = _escaped(value)
    if service.check_settings or service.kind != default.kind:
        settings = _escaped(sealing.exported(service.check_settings, service.place))
        written["check"] = {"kind": service.kind, **settings}
    return written


def _escaped(value: Any) -> Any:
    """Escape `${` in texts, but not in secrets, where it is a placeholder."""
    if is_secret(value):
        return value
    if isinstance(value, dict):
        return {key: _escaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return escaped(value) if isinstance(value, str) else value
