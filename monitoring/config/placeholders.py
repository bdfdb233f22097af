"""Fill `${SERVICE_…}` in text from the environment. `$${` is a `${` that is meant as such.

No other variable is filled in: whoever writes a services file could have our own secrets sent anywhere.
"""

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\$(\$\{)|\$\{([^}]*)\}")
PREFIX = "SERVICE_"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Apart from its placeholders a reference may hold one word, like Bearer: anything longer could be a secret itself.
_REFERENCE = re.compile(r"([A-Za-z]{1,20} )?(\$\{[A-Za-z_][A-Za-z0-9_]*\})+", re.ASCII)


class Unfilled(Exception):
    """A placeholder cannot be filled; says which and what to do, and no value."""


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
    """Return the text where it may be shown in place of the secret that it stands for."""
    return text if _REFERENCE.fullmatch(text) else None
