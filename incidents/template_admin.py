"""The admin page of update templates: texts with variables, to begin an update with."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from incidents import languages, markdown, update_templates
from incidents.dashboard import status_sign
from incidents.models import IncidentStatus, UpdateTemplate

Translations: Any = languages.translated("message", _("Message"), UnfoldAdminTextareaWidget, {"rows": 5, "dir": "auto"})
STATUSES = [("", _("Keep that of the incident")), *IncidentStatus.choices]
VARIABLES = _(
    "Markdown with variables: {service} names the affected services, {title} is the title of the incident, {status}"
    " the status after the update, {since} the start, {duration} the time since then."
)
TRANSLATED = _("For readers of this language. Empty: they get the text above.")


class TemplateForm(Translations, ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = UpdateTemplate
        fields = ("name", "status", "message")
        field_classes: ClassVar[dict[str, Any]] = {"message": languages.Text}
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "message": UnfoldAdminTextareaWidget(attrs={"rows": 5, "dir": "auto"})
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "name": _("Reporters choose by this name; customers do not see it."),
            "status": _("The status that the update sets."),
            "message": VARIABLES,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "status" in self.fields:
            self.fields["status"].choices = STATUSES  # type: ignore[attr-defined]
        for name in languages.fields_of("message"):
            self.fields[name].help_text = TRANSLATED
        languages.fill(self, "message", self.instance.message_translations)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        languages.validate(self, "message")
        for name in ("message", *languages.fields_of("message")):
            try:
                update_templates.validate(values.get(name) or "")
            except ValidationError as error:
                self.add_error(name, error)
        return values


class UpdateTemplateAdmin(ModelAdmin):
    form = TemplateForm
    list_display = ("name", "sets", "begins")
    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    search_fields = ("name", "message")
    search_help_text = _("Name or text")
    about_empty = _("A template is a text with variables, which reporters begin an update with.")
    ordering = ("name",)
    actions = None
    warn_unsaved_form = True

    def get_fieldsets(self, request: HttpRequest, obj: UpdateTemplate | None = None) -> Any:
        fields: tuple[str, ...] = ("name", "status", "message")
        if self.has_change_permission(request, obj):
            fields += languages.fields_of("message")
        return [(None, {"fields": fields})]

    @admin.display(description=_("Status"), ordering="status")
    def sets(self, template: UpdateTemplate) -> SafeString | str:
        return status_sign(template.status) if template.status else "–"

    @admin.display(description=_("Message"))
    def begins(self, template: UpdateTemplate) -> str:
        return Truncator(markdown.plain(template.message)).chars(120)

    def save_model(self, request: HttpRequest, obj: UpdateTemplate, form: TemplateForm, change: bool) -> None:
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]
        obj.message_translations = languages.read(form, "message")
        obj.save()
