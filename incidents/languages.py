"""Texts in the further languages of the page, as fields of forms. Each is keyed by its language code."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy

from incidents import markdown

OTHER_LANGUAGES = [(code, name) for code, name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


class Text(forms.CharField):
    """A text of several lines: forms send them with a carriage return each, which is no change."""

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


def fields_of(field: str) -> tuple[str, ...]:
    """Return the names of the fields that translate a field."""
    return tuple(f"{field}_{code}" for code, _name in OTHER_LANGUAGES)


def translated(field: str, label: Any, widget: type[forms.Widget], attrs: Mapping[str, Any], **options: Any) -> Any:
    """Return a base class for forms that has one more field for each further language."""
    fields: dict[str, Any] = {
        f"{field}_{code}": Text(
            label=format_lazy("{} ({})", label, name), required=False, widget=widget({**attrs, "lang": code}), **options
        )
        for code, name in OTHER_LANGUAGES
    }
    return type("Translations", (forms.Form,), fields)


def fill(form: forms.BaseForm, field: str, translations: Mapping[str, str]) -> None:
    """Show the stored translations of a field."""
    for code, _name in OTHER_LANGUAGES:
        form.initial.setdefault(f"{field}_{code}", translations.get(code, ""))


def read(form: forms.BaseForm, field: str) -> dict[str, str]:
    """Return what a valid form has as translations of a field."""
    texts = {code: form.cleaned_data.get(f"{field}_{code}", "") for code, _name in OTHER_LANGUAGES}
    return {code: text for code, text in texts.items() if text.strip()}


def validate(form: forms.BaseForm, field: str) -> None:
    """Report texts that cannot be shown, each at its field."""
    for name in (field, *fields_of(field)):
        try:
            markdown.validate(form.cleaned_data.get(name) or "")
        except ValidationError as error:
            form.add_error(name, error)
