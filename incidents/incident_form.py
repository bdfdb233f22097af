"""The form of an incident: what happened, how urgent it is, which services are affected and how badly."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from incidents import languages, reporting
from incidents.lifecycle import begun
from incidents.models import Impact, Incident, Priority
from monitoring.admin_site.accounting_admin import zone_words
from monitoring.models import Service

PRIORITIES = (
    (Priority.P1, _("P1 – respond within 15 minutes")),
    (Priority.P2, _("P2 – respond within 1 hour")),
    (Priority.P3, _("P3 – respond within 4 hours")),
    (Priority.P4, _("P4 – respond within 24 hours")),
)
IMPACT_FIELDS = {  # the worst first
    Impact.MAJOR: "major_services",
    Impact.PARTIAL: "partial_services",
    Impact.DEGRADED: "degraded_services",
}
PUBLISH = "_publish"  # the button that saves a draft and publishes it
DRAFT = "_draft"  # the button that files an incident as a draft


class _ServicesWidget(AutocompleteSelectMultiple):
    """A field for several services, without the button that clears all: it is invalid inside its list."""

    def build_attrs(self, base_attrs: Any, extra_attrs: Any = None) -> dict[str, Any]:
        return {**super().build_attrs(base_attrs, extra_attrs), "data-allow-clear": "false"}


def _services(impact: Impact) -> forms.ModelMultipleChoiceField:  # type: ignore[type-arg]  # not generic when running
    """Return a field that searches services while the user types; there may be thousands."""
    widget = _ServicesWidget(Incident._meta.get_field("affected_services"), admin.site)
    return forms.ModelMultipleChoiceField(Service.objects.present(), label=impact.label, required=False, widget=widget)


Translations: Any = languages.translated("title", _("Title"), UnfoldAdminTextInputWidget, {}, max_length=200)


class IncidentForm(Translations, forms.ModelForm):  # type: ignore[misc,type-arg]
    major_services = _services(Impact.MAJOR)
    partial_services = _services(Impact.PARTIAL)
    degraded_services = _services(Impact.DEGRADED)

    class Meta:
        model = Incident
        fields = (
            "title",
            "description",
            "severity",
            "priority",
            "started_at",
            "impact_description",
            "root_cause",
            "resolution_notes",
        )
        help_texts: ClassVar[dict[str, Any]] = {
            "title": _("Shown to customers: what does not work, in plain words."),
            "description": _("Internal; customers see only the title and the updates."),
            "severity": _("How serious the incident is."),
            "priority": _("How soon somebody must respond."),
            "started_at": _(
                "When the incident began, not when it was noticed. The duration is calculated from this time."
            ),
            "impact_description": _("What customers cannot do during the incident."),
            "root_cause": _("Fill in once it is known."),
            "resolution_notes": _("What resolved it, and what prevents it from happening again."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "priority" in self.fields:
            self.fields["priority"].choices = PRIORITIES  # type: ignore[attr-defined]
        if "started_at" in self.fields:
            self.fields["started_at"].help_text = format_lazy(
                "{} {}", self.fields["started_at"].help_text, zone_words()
            )
        for name in languages.fields_of("title"):
            self.fields[name].help_text = _("For readers of this language. Empty: they get the title above.")
        languages.fill(self, "title", self.instance.title_translations)
        if self.instance.pk:
            touched = reporting.touched(self.instance)
            for impact, name in IMPACT_FIELDS.items():
                self.initial[name] = [id for id, how in touched if how == impact]
                if name in self.fields:  # an archived service stays with the incidents that it had
                    stays = Q(archived_at=None) | Q(pk__in=[id for id, _impact in touched])
                    self.fields[name].queryset = Service.objects.filter(stays)  # type: ignore[attr-defined]

    def clean_started_at(self) -> Any:
        started_at = self.cleaned_data["started_at"]
        if started_at > timezone.now():
            raise ValidationError(_("This time is in the future. Announce planned work as maintenance instead."))
        try:
            begun(reporting.course_of(self.instance), started_at)
        except ValueError as error:
            raise ValidationError(
                _("The incident was identified or resolved before this time. Choose an earlier time.")
            ) from error
        return started_at

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        languages.validate(self, "title")
        if PUBLISH in self.data:
            try:
                reporting.refuse_decided(self.instance)
            except ValidationError as error:
                self.add_error(None, error)
        seen: set[str] = set()
        for name in IMPACT_FIELDS.values():
            twice = [service for service in values.get(name, ()) if service.pk in seen]
            seen |= {service.pk for service in values.get(name, ())}
            if twice:
                message = _("%(name)s is listed twice. Keep only the entry with the worst impact.")
                self.add_error(name, ValidationError(message, params={"name": str(twice[0])}))
        return values

    @property
    def impacts(self) -> dict[str, str]:
        """Return the impact by the service's id."""
        fields = IMPACT_FIELDS.items()
        return {service.pk: str(impact) for impact, name in fields for service in self.cleaned_data[name]}
