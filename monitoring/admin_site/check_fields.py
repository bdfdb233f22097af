"""Form fields for the settings of a check, generated from the declarations of each kind.

A setting that is not a text, number or choice is entered as YAML, as in a services file, and validated by the kind in
the same way. An empty field leaves the setting out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING
from functools import lru_cache
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from monitoring.admin_site.header_rows import HeaderRows
from monitoring.config.as_written import setting_value
from monitoring.config.check_settings import key_of, words_of
from monitoring.config.yaml_core import dump
from monitoring.config.yaml_lines import Unreadable, compose
from monitoring.probes import KINDS
from monitoring.probes.http.http_settings import read_headers
from monitoring.probes.settings import Described, described

LINES = 2  # of a field for several values
HOW_TO_WRITE_A_SECRET = _(
    "Enter a secret as {secret: …}. It is stored sealed and shown as dots; leave the dots to keep it."
)
ABOUT_HEADERS = _(
    "Headers to send with each request. A secret is stored sealed and shown as dots; leave the dots to keep it."
)


def name_of(kind: str, setting: str) -> str:
    """Return the name of a setting's field, with the kind, as kinds have settings of the same name."""
    return f"{kind}__{setting}"


@lru_cache
def names() -> dict[str, tuple[str, ...]]:
    """Return the names of the fields of each kind."""
    return {kind: tuple(name_of(kind, each.name) for each in of(kind)) for kind in KINDS}


def of(kind: str) -> tuple[Described, ...]:
    return described(KINDS[kind].settings)  # type: ignore[arg-type]  # classes are hashable


def fields() -> dict[str, forms.Field]:
    """Return a field for every setting of every kind."""
    return {name_of(kind, each.name): _field(each) for kind in KINDS for each in of(kind)}


def shown(kind: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of a kind's fields for settings with masked secrets."""
    return {name_of(kind, each.name): _shown(each, settings.get(each.name, MISSING)) for each in of(kind)}


def written(kind: str, data: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings from the submitted fields; an unchanged one keeps its value of `before`.

    Raises `ValidationError` for each field that is not valid YAML.
    """
    found: dict[str, Any] = {}
    problems: dict[str, ValidationError] = {}
    for each in of(kind):
        name, stored = name_of(kind, each.name), before.get(each.name, MISSING)
        text = _lines(data.get(name) or "")
        try:
            value = stored if text == _lines(_shown(each, stored)) else _value(each, text)
        except Unreadable as error:
            problems[name] = ValidationError(_("It cannot be read: %(what)s."), params={"what": error.what})
            continue
        if value is not MISSING:
            found[each.name] = value
    if problems:
        raise ValidationError(problems)
    return found


def placed(kind: str, errors: Iterable[ValidationError]) -> Iterator[tuple[str, str]]:
    """Yield the field and the message of each problem of the settings."""
    for error in errors:
        setting, _dot, inside = key_of(error).partition(".")
        name, words = name_of(kind, setting), words_of(error)
        if name not in names().get(kind, ()):
            yield "kind", " ".join(error.messages)
        else:
            yield name, f"{inside}: {words}" if inside else words


def _field(each: Described) -> forms.Field:
    about = each.setting
    label: Any = translation.gettext_lazy(about.label)
    common: dict[str, Any] = {
        "label": format_lazy("{} ({})", label, translation.gettext_lazy(about.unit)) if about.unit else label,
        "help_text": translation.gettext_lazy(about.help),
        "required": each.is_required,
        "initial": _shown(each, MISSING),
    }
    if choices := _choices(each):
        return forms.CharField(widget=UnfoldAdminSelectWidget(choices=choices), **common)
    if about.reader is read_headers:
        return forms.CharField(strip=False, widget=HeaderRows(), **{**common, "help_text": ABOUT_HEADERS})
    if about.holds_secrets:
        common["help_text"] = format_lazy("{} {}", common["help_text"], HOW_TO_WRITE_A_SECRET)
    if each.type == "see help" and about.example is not None:
        example = _as_yaml(about.example, on_one_line=True)
        common["help_text"] = format_lazy(_("{help} Example: {example}"), help=common["help_text"], example=example)
    return forms.CharField(strip=each.type != "text", widget=_widget(each), **common)


def _choices(each: Described) -> list[tuple[str, Any]]:
    if each.type == "true or false":
        return [("true", _("Yes")), ("false", _("No"))]
    return [(choice, choice) for choice in each.setting.choices]


def _widget(each: Described) -> Any:  # the theme's are not typed
    about = each.setting
    attributes: dict[str, Any] = {"spellcheck": "false", "autocomplete": "off", "placeholder": about.placeholder}
    if each.type == "whole number":
        return UnfoldAdminIntegerFieldWidget(attrs={"min": about.low, "max": about.high})
    if each.type == "text" or isinstance(each.default, tuple) or about.holds_secrets:
        return UnfoldAdminTextareaWidget(attrs={**attributes, "rows": LINES})
    return UnfoldAdminTextInputWidget(attrs=attributes)


def _shown(each: Described, value: Any) -> str:
    if value is MISSING:
        if each.type == "see help":
            return ""  # the empty field shows its default as a placeholder
        value = "" if each.default in (None, MISSING) else each.default
    if isinstance(value, bool):
        return str(value).lower()
    return _as_yaml(value) if each.type == "see help" else str(value)


def _value(each: Described, text: str) -> Any:
    """Parse the text of a field; the kind validates the value."""
    if not text:
        return MISSING
    if each.type == "true or false":
        return {"true": True, "false": False}.get(text, text)
    if each.type == "whole number":
        return int(text) if text.removeprefix("-").isdecimal() and len(text) < 10 else text
    return text if each.type == "text" else _from_yaml(each, text)


def _as_yaml(value: Any, *, on_one_line: bool = False) -> str:
    """Format a value as in a services file: text without quotes if it is read back as the same."""
    text = dump(value, on_one_line=on_one_line, width=1_000)
    return text.removesuffix("\n").removesuffix("\n...").removesuffix("\n")


def _from_yaml(each: Described, text: str) -> Any:
    node = compose(text.encode(errors="surrogatepass"))
    return MISSING if node is None else setting_value(each, node)


def _lines(text: str) -> str:
    """Return text with `\\n` as line ends; browsers send others."""
    return text.replace("\r\n", "\n")
