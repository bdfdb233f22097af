"""Read the wanted settings of one service from JSON, with the keys, types and words of a services file."""

from collections.abc import Iterator, Mapping
from typing import Any

from monitoring.catalogue.planned import COLUMNS, Problem, Wanted, names_following
from monitoring.catalogue.service_keys import COLUMN_OF, FAULTS, key_fault, kind_fault, missing, refused_columns
from monitoring.config.check_settings import DEFAULT_KIND, PREFIX
from monitoring.models import Service
from monitoring.probes.suggestions import shown

# A replaced service takes the defaults of missing keys; its pause is not a setting and stays.
REPLACED = tuple(column for column in COLUMNS if column not in ("id", "name", "display_name", "is_active"))

Fault = tuple[str, str]  # key, what


def read(
    body: Mapping[str, Any], service_id: str | None, shown_before: Mapping[str, Any], *, is_whole: bool
) -> tuple[Wanted, list[Problem]]:
    """Return the wanted settings, and the problems of their form.

    `service_id` is None for a new service, whose body contains it. `shown_before` is the service as last shown: values
    that the monitor maintains may be sent back unchanged. With `is_whole`, missing keys take their defaults.
    """
    values = dict(body)
    if service_id is not None:
        values.setdefault("id", service_id)
    faults = [*_faults(values, service_id, shown_before)]
    faulty = {key.partition(".")[0] for key, _what in faults}
    wanted = {key: value for key, value in values.items() if key in FAULTS and key not in faulty}
    kind = _kind(wanted)
    if is_whole:
        faults += missing(values.keys(), kind)
    if "check" in wanted:
        settings = {key: value for key, value in wanted.pop("check").items() if key != "kind"}
        wanted |= {"kind": kind, "check_settings": settings}
    id = str(wanted.pop("id", ""))
    columns = {COLUMN_OF.get(key, key): value for key, value in wanted.items()}
    if is_whole and service_id is not None:
        columns = {**_defaults(), **names_following(columns, None), **columns}
    refused = frozenset(refused_columns([key for key, _what in faults]))
    return Wanted(id=id, values=columns, refused=refused), [Problem(key=key, what=what) for key, what in faults]


def _faults(values: Mapping[str, Any], service_id: str | None, shown_before: Mapping[str, Any]) -> Iterator[Fault]:
    for key, value in values.items():
        if key not in FAULTS and key in shown_before and shown_before[key] == value:
            continue
        if key == "endpoint_url" and value is None:
            continue  # a heartbeat is shown so, as it has none
        fault = key_fault(key) or FAULTS[key](value, _written(value))
        if fault is not None:
            yield key, fault
        elif key == "id" and service_id is not None and value != service_id:
            yield key, f"{shown(value)} is not the service at this URL, {service_id}. An id cannot be changed."
        elif key == "check" and (fault := kind_fault(value.get("kind", DEFAULT_KIND))):
            yield f"{PREFIX}kind", fault


def _written(value: Any) -> str:
    if isinstance(value, list | dict):
        return "the list" if isinstance(value, list) else "the mapping"
    return shown(value)


def _kind(wanted: Mapping[str, Any]) -> str:
    return str(wanted["check"].get("kind", DEFAULT_KIND)) if "check" in wanted else DEFAULT_KIND


def _defaults() -> dict[str, Any]:
    default = Service()
    return {column: getattr(default, column) for column in REPLACED}
