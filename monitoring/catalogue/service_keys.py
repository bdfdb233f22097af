"""The keys of a service in files and JSON, and the values allowed for each."""

import math
from collections.abc import Callable, Collection, Iterator
from typing import Any

from monitoring.models import Service
from monitoring.models.services import IncidentMode
from monitoring.probes import KINDS
from monitoring.probes.suggestions import did_you_mean, shown

INT4 = range(-(2**31), 2**31)
INT8 = range(-(2**63), 2**63)


def _text(value: Any, written: str) -> str | None:
    if not isinstance(value, str):
        return _of_wrong_type(value, written, "text", f'Put it in quotes: "{written}"' if written else "")
    return _unstorable(value)


def _whole_number(value: Any, written: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return _of_wrong_type(value, written, "a whole number", "Enter digits only, without unit or quotes")
    return None if value in INT4 else f"{written} is out of range."


def _number_or_null(value: Any, written: str) -> str | None:
    return None if value is None else _whole_number(value, written)


def _text_or_null(value: Any, written: str) -> str | None:
    return None if value is None else _text(value, written)


def _flag(value: Any, written: str) -> str | None:
    return None if isinstance(value, bool) else _of_wrong_type(value, written, "true or false", "Enter true or false")


def _incident_mode(value: Any, written: str) -> str | None:
    known = IncidentMode.values
    if not isinstance(value, str):
        return _of_wrong_type(value, written, "a mode", f"Enter {known[0]}, {known[1]} or {known[2]}")
    if value in known:
        return None
    return f"{shown(value)} is not a mode. {did_you_mean(value, known)}Available: {', '.join(known)}."


def _texts(value: Any, written: str) -> str | None:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return _of_wrong_type(value, written, "a list of names", "Write [seoul, tokyo]")
    return next((fault for each in value if (fault := _unstorable(each))), None)


def _mapping(value: Any, written: str) -> str | None:
    if not isinstance(value, dict):
        return _of_wrong_type(value, written, "a mapping", "Enter `key: value` lines below it")
    return _not_json(value)


def _not_json(value: Any) -> str | None:
    """Describe the value in metadata that PostgreSQL cannot store as JSON; None if there is none."""
    match value:
        case dict():
            wrong = (
                f"a key in it is {_kind(key)}, not text. Put it in quotes." for key in value if not isinstance(key, str)
            )
            return next(wrong, None) or _not_json([*value, *value.values()])
        case list():
            return next((fault for each in value if (fault := _not_json(each))), None)
        case str():
            return _unstorable(value)
        case float() if not math.isfinite(value):
            return "a number in it is infinite or none at all (.inf, .nan). Put it in quotes."
        case int() if value not in INT8:
            return "a whole number in it is too large. Put it in quotes."
        case None | bool() | int() | float():
            return None
    return f"{value} is {_kind(value)}, which cannot be stored as such. Put it in quotes."


def _unstorable(text: str) -> str | None:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        return f"{shown(text)} contains a character that cannot be stored. Remove it."
    return None


def _of_wrong_type(value: Any, written: str, expected: str, remedy: str) -> str:
    if value is None:
        return "it is empty. Enter a value, or remove the line."
    return f"{written} is {_kind(value)}, not {expected}. {remedy}."


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", str: "text", list: "a list", dict: "a mapping"}
    return kinds.get(type(value), "a number" if isinstance(value, int | float) else "of a type of its own")


# For each key a function that returns the fault of a value of the wrong type, or None, from the value and its text.
FAULTS: dict[str, Callable[[Any, str], str | None]] = {
    "id": _text,
    "name": _text,
    "display_name": _text,
    "description": _text,
    "endpoint_url": _text,
    "check_interval": _whole_number,
    "timeout": _whole_number,
    "is_active": _flag,
    "regions": _texts,
    "quorum": _number_or_null,
    "is_critical": _flag,
    "incident_mode": _incident_mode,
    "failure_threshold": _number_or_null,
    "recovery_threshold": _number_or_null,
    "group": _text,
    "parent": _text_or_null,
    "tags": _texts,
    "check": _mapping,
    "metadata": _mapping,
}
# Columns with a different key in a file.
COLUMN_OF = {"group": "group_name", "parent": "parent_id"}
KEY_OF = {column: key for key, column in COLUMN_OF.items()}
WRITTEN_OTHERWISE = {*KEY_OF, "kind", "check_settings"}
KEPT_BY_US = {column.attname for column in Service._meta.concrete_fields} - set(FAULTS) - WRITTEN_OTHERWISE
NAMES = frozenset({"name", "display_name"})


def key_fault(key: str) -> str | None:
    """Return why this key is not allowed; None if it is."""
    if key in KEPT_BY_US:
        return "the monitor sets this itself. Remove the line."
    if key not in FAULTS:
        return f"unknown key. {did_you_mean(key, FAULTS)}Available: {', '.join(FAULTS)}."
    return None


def kind_fault(kind: Any) -> str | None:
    """Return why this is no kind of check; None if it is one."""
    if isinstance(kind, str) and kind in KINDS:
        return None
    return f"{shown(kind)} is not a kind of check. {did_you_mean(str(kind), KINDS)}Available: {', '.join(KINDS)}."


def missing(written: Collection[str], kind: str) -> Iterator[tuple[str, str]]:
    """Yield the keys missing in a whole service, and what to write."""
    if "id" not in written:
        yield "id", "it is missing. Enter a short unique id, for example payments."
    if "endpoint_url" not in written and KINDS[kind].needs_url:
        yield "endpoint_url", "it is missing. Enter the URL to check."
    if not NAMES & set(written):
        yield "name", "it is missing. Enter name or display_name; each is the default of the other."


def refused_columns(faulty: Collection[str]) -> Iterator[str]:
    """Yield the columns whose keys have a reported problem, so that no further one is reported for them."""
    keys = {key.partition(".")[0] for key in faulty}
    yield from (COLUMN_OF.get(key, key) for key in keys)
    if keys & NAMES:  # one name is copied from the other, and so would be its problem
        yield from NAMES
    if "check" in keys:  # an address cannot be validated without the kind
        yield from ("kind", "check_settings", "endpoint_url")
