"""A widget that shows headers as rows of name, value and a mark for secrets, instead of the YAML that they stand for.

The field stays one text: rows are read from the YAML and written back to it, so a secret is sealed, masked and kept
as in a services file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from monitoring.config.sealing import MASK
from monitoring.config.yaml_core import dump
from monitoring.config.yaml_lines import Unreadable, compose, construct
from monitoring.probes.secrets import KEY, is_secret

EMPTY_ROWS = 1  # below those that are filled; the script adds more


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str = ""
    value: str = ""
    is_secret: bool = False


class HeaderRows(forms.Textarea):
    """Rows, or the text itself while it isn't the YAML of a mapping."""

    template_name = "admin/monitoring/service/header_rows.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        rows = _rows(str(value or ""))
        context["rows"] = None if rows is None else [*rows, *[Row()] * EMPTY_ROWS]
        context["kinds"] = [("", _("Text")), ("on", _("Secret"))]
        return context

    def _render(self, template_name: str, context: Any, renderer: Any = None) -> SafeString:
        return render_to_string(template_name, context)  # with the templates of the project, as pages have

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        names = data.getlist(f"{name}__name") if hasattr(data, "getlist") else []
        if not names:
            return super().value_from_datadict(data, files, name)
        values, kinds = data.getlist(f"{name}__value"), data.getlist(f"{name}__secret")
        return "\n".join(_lines(zip(names, values, kinds, strict=False)))

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data and f"{name}__name" not in data


def _lines(submitted: Any) -> Iterator[str]:
    """Yield the YAML of each row. A name that is entered twice stays twice, and is reported."""
    for name, value, kind in submitted:
        if name.strip() or value:
            # Dots that were left alone stand for the stored secret, and are never a value.
            is_hidden = bool(kind) or value == MASK
            written = {KEY: value or MASK} if is_hidden else value
            yield dump({name.strip(): written}, on_one_line=False, width=1_000).rstrip("\n")


def _rows(text: str) -> list[Row] | None:
    """Return the rows of a text, those of a name that is there twice, too; None if it isn't a readable mapping."""
    try:
        node = compose(text.encode(errors="surrogatepass"))
        if node is None:
            return []
        return [_row(key, value) for key, value in node.value] if isinstance(node, yaml.MappingNode) else None
    except Unreadable:
        return None


def _row(key: yaml.Node, value: yaml.Node) -> Row:
    written = value.value if isinstance(value, yaml.ScalarNode) else construct(value)
    if is_secret(written):
        return Row(name=str(key.value), value=written[KEY], is_secret=True)
    return Row(name=str(key.value), value=str(written))
