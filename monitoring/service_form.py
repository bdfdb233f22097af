"""The form of a service: what belongs together, units and defaults explained, judged by the model as everywhere."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from monitoring.models import Service

WHAT, CHECK, TIMING, JUDGING, WHERE = (
    ("id", "name", "display_name", "description", ("group_name", "tags"), "parent"),
    ("kind", "endpoint_url", "check_settings"),
    (("check_interval", "timeout"), "regions"),
    (("failure_threshold", "recovery_threshold"), "quorum", "is_critical"),
    ("metadata",),
)
FIELDSETS = (
    (_("What it is"), {"fields": WHAT}),
    (_("What is checked"), {"fields": CHECK}),
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
    "check_settings": _(
        "As JSON; the keys are those under check: in a services file, such as"
        ' {"expected_status": ["200-299"]}. Write a secret as {"secret": "…"}: it is stored sealed and shown as dots;'
        " leave the dots to keep it."
    ),
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
    check_settings = forms.JSONField(
        label=_("Settings of the check"),
        help_text=HELP["check_settings"],
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false"}),
    )

    class Meta:
        model = Service
        exclude = ("status", "is_active")  # the checks say the one; pausing, with a reason, the other
        labels = LABELS
        help_texts = HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["display_name"].required = False
        if self.instance.pk and "check_settings" in self.fields:
            self.initial["check_settings"] = self.instance.shown_settings

    def clean_id(self) -> str:
        id = str(self.cleaned_data["id"])
        if Service.objects.filter(id=id).exclude(archived_at=None).exists():
            # Its history would otherwise look like that of the new one.
            raise ValidationError(
                _("A removed service has this id. Choose another, or find it under “Removed” and bring it back.")
            )
        return id

    def clean_display_name(self) -> str:
        return str(self.cleaned_data["display_name"] or self.cleaned_data.get("name", ""))

    def clean_check_settings(self) -> dict[str, Any]:
        settings = self.cleaned_data["check_settings"] or {}
        if not isinstance(settings, dict):
            raise ValidationError(_('Write a mapping in braces, like {"method": "HEAD"}.'))
        return settings

    def clean_metadata(self) -> dict[str, Any]:
        return self.cleaned_data["metadata"] or {}
