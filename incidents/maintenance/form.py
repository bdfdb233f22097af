"""The form of a maintenance plan: what, for whom, when and how often."""

from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminSingleTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from incidents.maintenance import planning, running
from incidents.maintenance.choices import NUMBERS, WEEKDAYS, Choice, Repeats, choice_of, rule_of
from incidents.maintenance.schedule import Window, next_starts
from incidents.models import MaintenancePlan
from monitoring.models import Service

DATES_SHOWN = 5
OTHER_LANGUAGES = [(code, name) for code, name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
CHOICE_FIELDS = ("repeats", "days", "number", "day", "last_on")


def _zones() -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(available_timezones())]


def _groups() -> list[tuple[str, str]]:
    names = Service.objects.present().exclude(group_name="").order_by("group_name").values_list("group_name", flat=True)
    return [(name, name) for name in names.distinct()]


class PlanForm(forms.ModelForm):  # type: ignore[type-arg]
    """Validates as `planning.save` does. With `is_preview`, it is never valid: its page shows the dates instead."""

    is_preview = False

    services = forms.ModelMultipleChoiceField(
        Service.objects.present(),
        label=_("Services"),
        required=False,
        widget=AutocompleteSelectMultiple(MaintenancePlan._meta.get_field("services"), admin.site),
    )
    groups = forms.MultipleChoiceField(
        choices=_groups,
        label=_("Groups"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=_("A service that joins a group later is covered from the next date that has not begun."),
    )
    zone = forms.ChoiceField(
        choices=_zones,
        label=_("Time zone"),
        widget=UnfoldAdminSelectWidget(),
        help_text=_("02:00 stays 02:00 there when clocks change."),
    )
    repeats = forms.ChoiceField(choices=Repeats.choices, label=_("Repeats"), widget=UnfoldAdminSelectWidget())
    days = forms.MultipleChoiceField(
        choices=WEEKDAYS,
        label=_("Weekly, on"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=_("None: the weekday of the first day."),
    )
    number = forms.ChoiceField(
        choices=NUMBERS, label=_("Monthly, on the"), required=False, widget=UnfoldAdminSelectWidget()
    )
    day = forms.ChoiceField(choices=WEEKDAYS, label=_("Weekday"), required=False, widget=UnfoldAdminSelectWidget())
    last_on = forms.DateField(
        label=_("Until"),
        required=False,
        widget=UnfoldAdminSingleDateWidget(),
        help_text=_("The last day on which it may begin. Empty: without an end."),
    )
    rrule = forms.CharField(
        label=_("Rule of your own"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"class": "admin-mono"}),
        help_text=_("RFC 5545, in local time, for example FREQ=MONTHLY;BYMONTHDAY=15;BYHOUR=2,14."),
    )

    class Meta:
        model = MaintenancePlan
        fields = (
            "title",
            "description",
            "covers_all",
            "services",
            "groups",
            "starts_on",
            "wall_time",
            "zone",
            "duration_minutes",
            "rrule",
            "announce_hours",
            "ends_by_hand",
        )
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "title": UnfoldAdminTextInputWidget(),
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 4}),
            "starts_on": UnfoldAdminSingleDateWidget(),
            "wall_time": UnfoldAdminSingleTimeWidget(),
            "duration_minutes": UnfoldAdminIntegerFieldWidget(),
            "announce_hours": UnfoldAdminIntegerFieldWidget(),
            "covers_all": UnfoldBooleanSwitchWidget(),
            "ends_by_hand": UnfoldBooleanSwitchWidget(),
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "title": _("Shown to customers, and in the ledger as the reason."),
            "description": _("Shown to customers: what they will notice. Markdown."),
            "covers_all": _("Services and groups are then ignored; services that are added later are covered too."),
            "duration_minutes": _("Elapsed time, whatever clocks do meanwhile."),
            "announce_hours": _("Customers see it this long before. 0: only once it has begun."),
            "ends_by_hand": _(
                "It stays under way until somebody ends it. Time after the planned end is accounted as entered late."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.next_dates: list[datetime] = []
        for code, name in OTHER_LANGUAGES:
            self._add_translation("title", code, name, UnfoldAdminTextInputWidget(), max_length=200)
            self._add_translation("description", code, name, UnfoldAdminTextareaWidget(attrs={"rows": 4}))
        self.initial.setdefault("zone", str(settings.PAGE_TIME_ZONE))
        if self.instance.pk:
            choice = choice_of(self.instance.rrule)
            self.initial.update({name: getattr(choice, name) for name in (*CHOICE_FIELDS, "rrule")})

    def _add_translation(self, field: str, code: str, name: str, widget: forms.Widget, **options: Any) -> None:
        label = format_lazy("{} ({})", self.fields[field].label, name)
        self.fields[f"{field}_{code}"] = forms.CharField(label=label, required=False, widget=widget, **options)
        self.initial.setdefault(f"{field}_{code}", getattr(self.instance, f"{field}_translations").get(code, ""))

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("covers_all"):
            values["services"], values["groups"] = Service.objects.none(), []
        if values.get("repeats") == Repeats.RULE and not values.get("rrule"):
            self.add_error("rrule", ValidationError(_("Enter a rule, or choose another recurrence."), code="required"))
        elif "starts_on" in values and "repeats" in values:
            chosen = {name: values[name] for name in (*CHOICE_FIELDS, "rrule") if values.get(name)}
            values["rrule"] = rule_of(Choice(**chosen), values["starts_on"])
        return values

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # which fills the instance
        for field in ("title", "description"):
            given = {code: self.cleaned_data.get(f"{field}_{code}", "") for code, _name in OTHER_LANGUAGES}
            setattr(self.instance, f"{field}_translations", {code: text for code, text in given.items() if text})
        if self.errors:
            return
        now = timezone.now()
        try:
            running.lock()  # what is checked stays true until the transaction of this request ends
            planning.check(self.instance, self.cleaned_data["services"], now=now)
        except ValidationError as error:
            self.add_error(None, error)
        else:
            self.next_dates = next_starts(self.instance, now, DATES_SHOWN)

    def is_valid(self) -> bool:
        return super().is_valid() and not self.is_preview

    @property
    def next_windows(self) -> list[Window]:
        return [(each, each + self.instance.duration) for each in self.next_dates]
