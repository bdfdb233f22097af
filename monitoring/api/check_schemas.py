"""The settings of each kind of check as JSON Schema, generated from the classes that validate them."""

from typing import Any

from monitoring.config.check_settings import DEFAULT_KIND
from monitoring.probes import KINDS
from monitoring.probes.kind import Kind
from monitoring.probes.settings import Described, described

TYPES = {"text": "string", "whole number": "integer", "true or false": "boolean"}


def check_schema() -> dict[str, Any]:
    """Return the schema of `check`."""
    return {
        "description": "Settings of the check, by kind. Default: an HTTP check with default settings.",
        "anyOf": [_of_kind(kind) for kind in KINDS.values()],
    }


def _of_kind(kind: Kind) -> dict[str, Any]:
    fields = described(kind.settings)  # type: ignore[arg-type]  # a class is hashable
    required = [each.name for each in fields if each.is_required]
    return {
        "type": "object",
        "title": f"{kind.name} check",
        "properties": {"kind": {"const": kind.name}, **{each.name: _of_setting(each) for each in fields}},
        "required": required if kind.name == DEFAULT_KIND else ["kind", *required],
        "additionalProperties": False,
    }


def _of_setting(each: Described) -> dict[str, Any]:
    about = each.setting
    schema: dict[str, Any] = {"description": about.help + (f" In {about.unit}." if about.unit else "")}
    if about.choices:
        schema["enum"] = list(about.choices)
    elif each.type in TYPES:
        schema["type"] = [TYPES[each.type], "null"] if each.default is None else TYPES[each.type]
    limits = {"minimum": about.low, "maximum": about.high} if each.type == "whole number" else {}
    schema |= {name: limit for name, limit in limits.items() if limit is not None}
    if each.type == "text" and not about.choices:
        schema["maxLength"] = about.length
    if isinstance(each.default, str | int | bool) and each.default != "":
        schema["default"] = each.default
    if about.example is not None:
        schema["examples"] = [about.example]
    return schema
