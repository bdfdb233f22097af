"""Fill values of a services file from the environment, and seal secrets before they are used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from monitoring.config import sealing
from monitoring.config.placeholders import Unfilled, fill, has_placeholder, reference
from monitoring.config.yaml_lines import Path, line_of, refill, scalars
from monitoring.probes import KINDS
from monitoring.probes.secrets import KEY, is_secret
from monitoring.probes.settings import described

CHECK = "check"


@dataclass(slots=True)
class Filling:
    """The filled placeholders below a node, and their problems."""

    templates: dict[Path, str] = field(default_factory=dict)  # the original text, where something was filled in
    problems: list[tuple[int, str, str]] = field(default_factory=list)  # line, key, problem


def fill_in(node: yaml.Node, key: str, variables: Mapping[str, str]) -> Filling:
    """Fill the placeholders below a node, in place."""
    filling = Filling()
    for path, scalar in scalars(node, (key,)):
        if not has_placeholder(scalar.value):
            continue
        try:
            text = fill(scalar.value, variables)
        except Unfilled as error:
            filling.problems.append((line_of(scalar), dotted(path), f"{error}."))
            continue
        if text != scalar.value.replace("$${", "${"):
            filling.templates[path] = scalar.value
        # Below a setting are header values, keywords and secrets, which stay text even if they are all digits.
        refill(scalar, text, is_text=len(path) > 2)
    return filling


def sealed_check(kind: str, values: Mapping[str, Any], templates: Mapping[Path, str]) -> dict[str, Any]:
    """Return the settings of a check with its secrets sealed, each with its reference to the environment.

    A value from the environment is secret wherever the kind allows secrets.
    """
    fields = described(KINDS[kind].settings)  # type: ignore[arg-type]  # a class is hashable
    may_hold = {each.name for each in fields if each.setting.holds_secrets}
    return {key: _sealed(value, (CHECK, key), templates, key in may_hold) for key, value in values.items()}


def dotted(path: Path) -> str:
    """Return the keys of a path for messages, without positions in lists."""
    return ".".join(part for part in path if isinstance(part, str))


def _sealed(value: Any, path: Path, templates: Mapping[Path, str], may_hold: bool) -> Any:
    if is_secret(value):
        text, template = value[KEY], templates.get((*path, KEY), "")
        is_kept = text in (sealing.UNCHANGED, sealing.MASK) and not template
        return value if is_kept else {KEY: sealing.seal(text, sealing.DRAFT, reference(template))}
    if isinstance(value, str) and may_hold and path in templates:
        return {KEY: sealing.seal(value, sealing.DRAFT, reference(templates[path]))}
    if isinstance(value, dict):
        return {key: _sealed(each, (*path, key), templates, may_hold) for key, each in value.items()}
    if isinstance(value, list):
        return [_sealed(each, (*path, place), templates, may_hold) for place, each in enumerate(value)]
    return value
