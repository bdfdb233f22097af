"""docker-compose.yml as Compose reads it: values put in, anchors resolved."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from slamonitor.embedded.state_directory import CHECKOUT

VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Z_]+)(?:(:[-?])([^}]*))?\})")


class Unset(Exception):
    """A variable that the file insists on has no value."""


def services(env: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the services of docker-compose.yml with the values of a .env file. Raises `Unset`."""
    text = (CHECKOUT / "docker-compose.yml").read_text()
    found: dict[str, dict[str, Any]] = _filled(yaml.safe_load(text)["services"], env)
    return found


def _filled(value: Any, env: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, env) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, env) for each in value]
    return VARIABLE.sub(lambda match: _value(match, env), value) if isinstance(value, str) else value


def _value(match: re.Match[str], env: Mapping[str, str]) -> str:
    escaped, name, how, rest = match.groups()
    if escaped:
        return "$"
    if env.get(name):
        return env[name]
    if how == ":?":
        raise Unset(rest)
    return rest or ""
