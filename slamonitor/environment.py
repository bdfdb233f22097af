"""Read settings from the environment and collect their problems.

A malformed value must stop the start with its name and a remedy, and all such values must be reported at once. So a
malformed value is replaced with its default here, and the system check in `slamonitor/checks.py` reports it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ

T = TypeVar("T")
TRUE = {"true", "1", "yes", "on"}
FALSE = {"false", "0", "no", "off"}
RENAMED = {"FOLD_AFTER_DAYS": "COMPRESS_AFTER_DAYS"}  # ignoring an old name would silently apply the default


@dataclass(frozen=True, slots=True)
class Problem:
    """A setting that must be corrected before any process can start."""

    name: str
    what: str
    hint: str


class Environment:
    """The environment variables, then the file `env` of the state directory, then the defaults."""

    def __init__(self, variables: Mapping[str, str], fallback: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._taken: dict[str, str] = {}  # names of settings read from a file, with its path
        # An empty variable means "unset": compose files and .env templates pass those.
        given = {name: value for name, value in variables.items() if value != ""}
        kept = {name: value for name, value in fallback.items() if f"{name}_FILE" not in given}
        self.values = {**kept, **given}
        self._env = environ.Env()
        self._env.ENVIRON = self.values
        for old, new in RENAMED.items():
            for suffix in ("", "_FILE"):
                if old + suffix in self.values:
                    self.report(old + suffix, "this setting was renamed", f"Rename it to {new}{suffix}.")

    def get(self, name: str) -> str | None:
        """Return the value of a setting, or the content of the file named by `<name>_FILE`; None if neither is set.

        With a file, secrets need not be in the environment, which child processes inherit and many tools display.
        """
        path = self.values.get(f"{name}_FILE")
        if path is not None and name not in self.values:
            self._take_file(name, path)
        elif path is not None and path != self._taken.get(name):
            self._taken[name] = path
            self.report(f"{name}_FILE", f"{name} is also set", "Set only one of them.")
        return self.values.get(name)

    def text(self, name: str, default: str) -> str:
        value = self.get(name)
        return default if value is None else value

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name, str(default)).lower()
        if value not in TRUE | FALSE:
            self.report(name, f"{value!r} is neither true nor false", "Set it to true or false.")
            return default
        return value in TRUE

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        value = self.get(name)
        if value is None:
            return default
        if value.strip().isdecimal() and lowest <= int(value) <= highest:
            return int(value)
        self.report(name, f"{value!r} is not a whole number", f"Set it to a number from {lowest} to {highest}.")
        return default

    def words(self, name: str, default: list[str]) -> list[str]:
        value = self.get(name)
        return default if value is None else [word.strip() for word in value.split(",")]

    def parsed(self, name: str, parse: Callable[[str], T], default: T, hint: str) -> T:
        """Parse a setting with a function that raises on bad input; its message becomes part of the problem."""
        value = self.get(name)
        if value is None:
            return default
        try:
            return parse(value)
        except (ValueError, KeyError, environ.ImproperlyConfigured) as error:
            self.report(name, f"{self._shown(name, value)} cannot be used: {error}", hint)
            return default

    def database(self, name: str) -> dict[str, Any] | None:
        """Return Django's settings of the database URL, or None if it is unset."""

        def parse(url: str) -> dict[str, Any]:
            config = self._env.db_url_config(url)
            if config.get("ENGINE") != "django.db.backends.postgresql":
                raise ValueError("it does not name a PostgreSQL database")
            return dict(config)

        return self.parsed(name, parse, None, "Write postgresql://user:password@host:5432/sla_monitor")

    def _take_file(self, name: str, path: str) -> None:
        """Read the value of a setting from a file, without the line break that editors and `echo` leave at its end."""
        self._taken[name] = path
        try:
            value = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            self.report(f"{name}_FILE", f"{path} cannot be read: {why}", "Set it to a file that this user can read.")
            return
        if value:
            self.values[name] = value
        else:
            self.report(f"{name}_FILE", f"{path} is empty", f"Write the value of {name} into it.")

    def report(self, name: str, what: str, hint: str) -> None:
        self.problems.append(Problem(name, what, hint))

    @staticmethod
    def _shown(name: str, value: str) -> str:
        """Return a value for error messages without secrets, as URLs contain passwords."""
        return "the value" if "URL" in name or "KEY" in name or "PASSWORD" in name else repr(value)


def time_of_day(text: str) -> time | None:
    """Parse hours and minutes; None for off. Raises ValueError."""
    return None if text.lower() in FALSE else datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007  without a day


def bucket_and_prefix(text: str) -> tuple[str, str]:
    """Parse an address such as s3://bucket/folder. Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme != "s3" or not parts.netloc or parts.query:
        raise ValueError("it does not name a bucket")
    return parts.netloc, parts.path.strip("/")
