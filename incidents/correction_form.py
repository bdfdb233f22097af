"""The form that corrects the text of a published update."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminTextareaWidget

from incidents import languages
from incidents.models import IncidentUpdate
from incidents.update_form import Translations


class CorrectionForm(Translations, forms.ModelForm):  # type: ignore[misc,type-arg]
    """Other words for a published update."""

    class Meta:
        model = IncidentUpdate
        fields = ("message",)
        field_classes: ClassVar[dict[str, Any]] = {"message": languages.Text}
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "message": UnfoldAdminTextareaWidget(attrs={"rows": 6, "dir": "auto"})
        }

    seen = forms.CharField(required=False, widget=forms.HiddenInput)  # the `version` that the person read

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        languages.fill(self, "message", self.instance.message_translations)

    @property
    def version(self) -> str:
        return self.instance.edited_at.isoformat() if self.instance.edited_at else ""

    @property
    def translation_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in languages.fields_of("message")]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        languages.validate(self, "message")
        if values.get("seen", "") != self.version:
            message = _("%(who)s has just corrected this update. Read the new text before you replace it.")
            self.add_error(None, ValidationError(message, "corrected", {"who": str(self.instance.edited_by or "–")}))
        return values
