"""The form of a service: grouped fields with explained units and defaults, validated by the model."""

from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from monitoring.admin_site import check_fields
from monitoring.catalogue import parents
from monitoring.catalogue.planned import names_following
from monitoring.models import Service
from monitoring.probes import KINDS

WHAT, CHECK, TIMING, JUDGING, WHERE = (
    ("id", "name", "display_name", "description", ("group_name", "tags"), "parent"),
    ("kind", "endpoint_url"),
    (("check_interval", "timeout"), "regions"),
    (("failure_threshold", "recovery_threshold"), "quorum", "is_critical"),
    ("metadata",),
)
# One for each kind; `service-form.js` shows the one of the chosen kind.
SETTINGS = tuple(
    (
        format_lazy(_("How it is checked: {kind}"), kind=translation.gettext_lazy(kind.label)),
        {"fields": check_fields.names()[kind.name], "classes": [f"check-of-{kind.name}"]},
    )
    for kind in KINDS.values()
)
FIELDSETS = (
    (_("What it is"), {"fields": WHAT}),
    (_("What is checked"), {"fields": CHECK}),
    *SETTINGS,
    (_("How often, and from where"), {"fields": TIMING}),
    (_("When it counts as down"), {"fields": JUDGING}),
    (_("More"), {"fields": WHERE, "classes": ["collapse"]}),
)
LABELS = {"regions": _("Regions"), "quorum": _("Regions that must agree")}
HELP = {
    "id": _("Short and for good, like id-recognition: lower-case letters, digits and hyphens. It cannot be changed."),
    "name": _("In English; each service has another one."),
    "display_name": _("What people read, in any language. Empty: the name."),
    "group_name": _("Services of one group stand together on the page."),
    "tags": _("Separated by commas."),
    "parent": _("The service that this one is a part of, if any."),
    "kind": _("How we find out: by asking over HTTP, TCP, DNS or TLS, or by waiting for a heartbeat."),
    "endpoint_url": _("Whole, like https://api.example.com/health. A heartbeat has none."),
    "check_interval": _("60000 = one minute (the default). From 1000, one second, to 86400000, one day."),
    "timeout": _("5000 = five seconds (the default), for everything from DNS to the last byte. From 100 to 60000."),
    "regions": _("Where checks are made, separated by commas. Without workers elsewhere: default."),
    "failure_threshold": _("Bad checks in a row that make an outage. Empty: 2, for a heartbeat 1."),
    "recovery_threshold": _("Good checks in a row that end it. Empty: 1."),
    "quorum": _("Only with several regions: how many must see a failure. Empty: more than half."),
    "is_critical": _("Its outage alone is a major outage of the whole."),
    "metadata": _("Free notes as JSON, for programs."),
}


class ServiceForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic when running
    """The columns of a service, and a field for every setting of every kind."""

    class Meta:
        model = Service
        exclude = ("status", "is_active")  # noqa: DJ006  set by the checks, and by pausing with a reason
        labels = LABELS
        help_texts = HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields |= check_fields.fields()
        self.fields["display_name"].required = False
        self._before = (self.instance.kind, self.instance.shown_settings) if self.instance.pk else ("", {})
        if self.instance.pk:
            self.initial.update(check_fields.shown(*self._before))
        if isinstance(parent := self.fields.get("parent"), forms.ModelChoiceField):
            parent.queryset = Service.objects.present()

    @cached_property
    def changed_data(self) -> list[str]:
        """Return the changed columns; all settings of a kind are one column."""
        settings = {name for names in check_fields.names().values() for name in names}
        own = check_fields.names().get(self["kind"].value() or "", ())
        touched: list[str] = super().changed_data
        changed = [name for name in touched if name not in settings]
        if "kind" in changed or not set(own).isdisjoint(touched):
            changed.append("check_settings")
        return changed

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        kind = str(data.get("kind"))
        if kind in KINDS:
            before = self._before[1] if kind == self._before[0] else {}
            self.instance.check_settings = check_fields.written(kind, data, before)
        if (parent := data.get("parent")) and (
            circle := parents.circle(self.instance.pk or data.get("id", ""), parent.id, parents.known())
        ):
            words = _("A service cannot be part of itself: %(circle)s.") % {"circle": " → ".join(circle)}
            self.add_error("parent", words)
        return data

    def _update_errors(self, errors: Any) -> None:
        """Attach each problem of the settings, which are one column, to the field that it is about."""
        of_settings = errors.error_dict.pop("check_settings", []) if hasattr(errors, "error_dict") else []
        for name, words in check_fields.placed(self.instance.kind, of_settings):
            self.add_error(name, words)
        super()._update_errors(errors)  # type: ignore[misc]  # not in the stubs

    def clean_id(self) -> str:
        id = str(self.cleaned_data["id"])
        if Service.objects.filter(id=id).exclude(archived_at=None).exists():
            # Otherwise its history would look like that of the new one.
            raise ValidationError(
                _("A removed service has this id. Choose another, or find it under “Removed” and bring it back.")
            )
        return id

    def clean_display_name(self) -> str:
        """Return the name if the display name is empty, as in a file."""
        names = {key: self.cleaned_data[key] for key in ("name", "display_name") if self.cleaned_data.get(key)}
        return str({**names, **names_following(names, None)}.get("display_name", ""))

    def clean_metadata(self) -> dict[str, Any]:
        return self.cleaned_data["metadata"] or {}
