"""The form of a post-mortem: texts in each language of the page, and actions."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.forms import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from incidents import markdown
from incidents.models import FollowUp, PostMortem

TEXTS = ("summary", "root_cause")  # for customers
OTHER_LANGUAGES = [(code, name) for code, name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
MOST_ACTIONS = 100
FIELD = {"class": "admin-field"}


class PostMortemForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no arguments when running
    """Refuses to replace what somebody else saved since the form was opened."""

    version = forms.CharField(required=False, widget=forms.HiddenInput())

    class Meta:
        model = PostMortem
        fields = (*TEXTS, "notes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["version"] = version_of(self.instance)
        for name in TEXTS:
            for code, language in OTHER_LANGUAGES:
                label = f"{self.fields[name].label} ({language})"
                self.fields[f"{name}_{code}"] = forms.CharField(label=label, required=False, strip=True)
                self.initial[f"{name}_{code}"] = getattr(self.instance, f"{name}_translations").get(code, "")
        for name, field in self.fields.items():
            if name != "version":
                field.widget = forms.Textarea(attrs={**FIELD, "rows": 3 if name == "notes" else 5})
                field.validators.append(markdown.validate)
        self.fields["notes"].help_text = _("Never published.")

    def texts(self) -> Iterator[BoundField]:
        """Yield the fields for customers: each text in each language."""
        for name in TEXTS:
            yield self[name]
            yield from (self[f"{name}_{code}"] for code, _language in OTHER_LANGUAGES)

    def clean_version(self) -> str:
        version: str = self.cleaned_data["version"]
        if version != version_of(self.instance):
            message = _("Somebody else has saved this post-mortem since you opened it. Nothing of yours is saved yet.")
            raise ValidationError(message, "changed")
        return version

    def save(self, commit: bool = True) -> PostMortem:
        post_mortem = self.instance
        for name in TEXTS:
            texts = {code: self.cleaned_data[f"{name}_{code}"] for code, _language in OTHER_LANGUAGES}
            setattr(post_mortem, f"{name}_translations", {code: text for code, text in texts.items() if text})
        saved: PostMortem = super().save(commit)
        return saved


class ActionForm(forms.ModelForm):  # type: ignore[type-arg]
    is_done = forms.BooleanField(label=gettext_lazy("done"), required=False)
    owner: Any = forms.ModelChoiceField(
        User.objects.none(), label=gettext_lazy("owner"), required=False, widget=forms.Select(attrs=FIELD)
    )

    class Meta:
        model = FollowUp
        fields = ("text", "owner", "due_on")
        widgets = {  # noqa: RUF012  # of Django
            "text": forms.TextInput(attrs=FIELD),
            "due_on": forms.DateInput(format="%Y-%m-%d", attrs={**FIELD, "type": "date"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["is_done"] = self.instance.done_at is not None
        active = Q(is_active=True) | Q(pk=self.instance.owner_id)
        self.fields["owner"].queryset = User.objects.filter(active).order_by("username")  # type: ignore[attr-defined]
        self.fields["due_on"].localize = False

    def note(self, now: datetime) -> None:
        """Set when the action was done; one that was done before keeps its time. Does not save."""
        self.instance.done_at = (self.instance.done_at or now) if self.cleaned_data.get("is_done") else None


ActionFormSet: Any = forms.inlineformset_factory(
    PostMortem, FollowUp, form=ActionForm, extra=2, max_num=MOST_ACTIONS, validate_max=True
)


def version_of(post_mortem: PostMortem) -> str:
    """Return what changes whenever a post-mortem is saved; empty before."""
    return post_mortem.updated_at.isoformat() if post_mortem.updated_at else ""
