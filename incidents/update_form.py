"""The form of an update that has not taken effect: a new one, or one that waits for its time."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from accounts.models import User
from incidents import languages, reporting, scheduling
from incidents.lifecycle import RESOLVED
from incidents.models import AffectedService, Impact, Incident, IncidentStatus, IncidentUpdate
from monitoring.admin_site.accounting_admin import zone_words
from monitoring.admin_site.local_times import LocalDateTimeField

FLOW = gettext_lazy("Investigating → identified → monitoring → resolved. Steps can be skipped or reversed.")
MOST_IMPACTS = 20  # services with a field of their own; the impact of more is set in the form of the incident
IMPACT = "impact-"  # and the id of the service: the name of a field
Translations: Any = languages.translated(
    "message", gettext_lazy("Message"), UnfoldAdminTextareaWidget, {"rows": 4, "dir": "auto"}
)


class UpdateForm(Translations, forms.ModelForm):  # type: ignore[misc,type-arg]
    """An update that has not taken effect. Only updates of published incidents are scheduled or change impacts."""

    incident: Incident | None = None  # None: it is being filed

    publish_at = LocalDateTimeField(label=gettext_lazy("Publish at"), required=False)
    reopen = forms.BooleanField(
        label=gettext_lazy("Reopen the incident"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=gettext_lazy("It is resolved. Any other status needs this switch."),
    )

    class Meta:
        model = IncidentUpdate
        fields = ("status", "message", "is_customer_visible")
        field_classes: ClassVar[dict[str, Any]] = {"message": languages.Text}
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "status": UnfoldAdminSelectWidget(),
            "message": UnfoldAdminTextareaWidget(attrs={"rows": 4, "dir": "auto"}),
            "is_customer_visible": UnfoldBooleanSwitchWidget(),
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "status": FLOW,
            "message": gettext_lazy(
                "What is known, what is being done, and when the next update follows. Leave empty to post no update."
                " Markdown: **bold**, lists, [links](…)."
            ),
            "is_customer_visible": gettext_lazy(
                "Turn off for an internal note. Customers see a new status in any case."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = timezone.now()
        self.fields["message"].required = False  # without one, there is no update
        for name in languages.fields_of("message"):
            self.fields[name].help_text = gettext_lazy("For readers of this language. Empty: they get the text above.")
        is_published = self.incident is not None and self.incident.published_at is not None
        if is_published or self.instance.pk:
            help_text = gettext_lazy("Leave empty to publish it now. The public page changes at that time.")
            self.fields["publish_at"].help_text = format_lazy("{} {}", help_text, zone_words())
        else:
            del self.fields["publish_at"]
        self.affected = _affected(self.incident) if is_published else []
        if self.incident is None or self.incident.status != RESOLVED:
            del self.fields["reopen"]
        for each in self.affected[:MOST_IMPACTS]:
            self.fields[f"{IMPACT}{each.service_id}"] = _impact_field(each)
        if self.instance.pk:
            self.fields["message"].help_text = gettext_lazy("Markdown: **bold**, lists, [links](…).")
        self._fill()

    def _fill(self) -> None:
        """Show the stored update, or what the monitor proposes for a draft, or the status as it is."""
        shown = self.instance if self.instance.pk else self._proposal()
        if shown is None:
            self.initial["status"] = self.incident.status if self.incident else IncidentStatus.INVESTIGATING
            return
        for name in ("status", "message", "is_customer_visible", "publish_at"):
            self.initial[name] = getattr(shown, name)
        languages.fill(self, "message", shown.message_translations)
        for service_id, impact in (shown.impacts or {}).items():
            self.initial[f"{IMPACT}{service_id}"] = impact

    def _proposal(self) -> IncidentUpdate | None:
        is_draft = self.incident is not None and self.incident.published_at is None
        return reporting.proposal_of(self.incident) if is_draft else None  # type: ignore[arg-type]

    @property
    def impact_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(IMPACT)]

    @property
    def has_impacts(self) -> bool:
        return any(field.value() or field.errors for field in self.impact_fields)

    @property
    def more_affected(self) -> int:
        return len(self.affected) - len(self.impact_fields)

    @property
    def translation_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in languages.fields_of("message")]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if "message" not in self.errors and not values.get("message", "").strip():
            self.add_error("message", _("Enter a message, which tells customers what has changed."))
        languages.validate(self, "message")
        self._check_course(values)
        self._check_time(values)
        self.instance.message_translations = languages.read(self, "message")
        chosen = {name.removeprefix(IMPACT): values.get(name) for name in self.fields if name.startswith(IMPACT)}
        self.instance.impacts = {id: impact for id, impact in chosen.items() if impact} or None
        return values

    def _check_course(self, values: dict[str, Any]) -> None:
        """Let an incident be reopened only by the switch for it, and at once."""
        if "reopen" not in self.fields or "status" not in values:
            return
        if values["status"] != RESOLVED and not values.get("reopen"):
            message = _("This incident is resolved. Turn on “Reopen the incident”, or choose the status “Resolved”.")
            self.add_error("reopen", ValidationError(message, "resolved"))
        if values["status"] == RESOLVED and values.get("reopen"):
            self.add_error("status", _("Choose the status of the reopened incident."))
        if values.get("reopen") and values.get("publish_at"):
            self.add_error("publish_at", _("An incident is reopened at once. Leave this time empty."))

    def _check_time(self, values: dict[str, Any]) -> None:
        if values.get("publish_at"):
            try:
                scheduling.refuse_past(values["publish_at"], self.now)
            except ValidationError as error:
                self.add_error("publish_at", error)
        elif self.instance.pk and self.incident is not None and self.incident.published_at is None:
            self.add_error("publish_at", _("The incident is a draft. Enter a time, or publish the incident first."))

    def write(self, incident: Incident, *, who: User, now: datetime) -> None:
        """Post, schedule or keep a valid update of a locked incident. Must run in a transaction."""
        update = self.instance
        update.incident = incident
        if update.impacts:  # of services that have not been taken off by the same form
            affected = {id for id, _impact in reporting.touched(incident)}
            update.impacts = {id: impact for id, impact in update.impacts.items() if id in affected} or None
        update.metadata.pop("refused", None)
        if publish_at := self.cleaned_data.get("publish_at"):
            update.created_by = who
            scheduling.schedule(update, publish_at, now=self.now)
        elif not reporting.keep_for_publication(update, who=who, now=now):
            reporting.post(update, who=who, now=now, reopens=self.cleaned_data.get("reopen", False))


def _affected(incident: Incident | None) -> list[AffectedService]:
    rows = AffectedService.objects.filter(incident=incident).select_related("service")
    return list(rows.order_by("service__name"))


def _impact_field(affected: AffectedService) -> forms.ChoiceField:
    unchanged = _("Unchanged: %(impact)s") % {"impact": affected.get_impact_display()}
    return forms.ChoiceField(
        label=str(affected.service),
        required=False,
        choices=[("", unchanged), *Impact.choices],
        widget=UnfoldAdminSelectWidget(),
    )
