"""Fill `${SERVICE_…}` in text from the environment. `$${` is an escaped `${`.

No other variable is filled in. Otherwise, the author of a services file could send our own secrets anywhere.
"""

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\$(\$\{)|\$\{([^}]*)\}")
PREFIX = "SERVICE_"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Apart from placeholders, a reference may contain one word, such as Bearer; longer text could be a secret itself.
_REFERENCE = re.compile(r"([A-Za-z]{1,20} )?(\$\{[A-Za-z_][A-Za-z0-9_]*\})+", re.ASCII)


class Unfilled(Exception):
    """A placeholder cannot be filled. The message has its name and the remedy, but no value."""


def has_placeholder(text: str) -> bool:
    return "${" in text


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with its placeholders filled. Raises `Unfilled`."""

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        if not _NAME.fullmatch(match[2]):
            raise Unfilled("${…} contains no variable name. Write ${SERVICE_TOKEN}, or $${ for a literal ${")
        if not match[2].startswith(PREFIX):
            raise Unfilled(
                f"{match[2]} is not replaced: only variables whose names begin with {PREFIX} are. Set"
                f" {PREFIX}{match[2]} and write ${{{PREFIX}{match[2]}}}, or $${{{match[2]}}} if it is meant literally"
            )
        if match[2] not in variables:
            raise Unfilled(
                f"the environment has no variable {match[2]}. Set it, or write $${{{match[2]}}} if it is meant"
                " literally"
            )
        return variables[match[2]]

    return _PLACEHOLDER.sub(value, text)


def escaped(text: str) -> str:
    """Return text that `fill` turns into the given one."""
    return text.replace("${", "$${")


def reference(text: str) -> str | None:
    """Return the text if it may be shown instead of its secret, else None."""
    return text if _REFERENCE.fullmatch(text) else None
