"""Secrets inside settings: they travel sealed, as `{"secret": "<sealed>"}`, and are opened when a request is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

KEY = "secret"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A sealed value, whose repr is empty, since settings end up in logs and error reports."""

    sealed: str

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True, slots=True)
class Place:
    """The place to which a secret is bound: one service, one origin, one key of its settings."""

    service_id: str
    origin: str  # such as https://api.example.com:443; empty if the address has none
    key: str = ""  # such as headers.Authorization

    def at(self, key: str) -> "Place":
        """Return the place of a key below this one."""
        return replace(self, key=f"{self.key}.{key}" if self.key else key)


def is_secret(value: Any) -> bool:
    """Return whether a JSON value has the written form of a secret."""
    return isinstance(value, Mapping) and value.keys() == {KEY} and isinstance(value[KEY], str)


def map_secrets(value: Any, change: Callable[[str], Any]) -> Any:
    """Return JSON with the text of each secret changed: sealed for the database, or masked for people."""
    if is_secret(value):
        return {KEY: change(value[KEY])}
    if isinstance(value, Mapping):
        return {key: map_secrets(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [map_secrets(each, change) for each in value]
    return value
