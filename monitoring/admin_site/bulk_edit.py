"""Edit several services of the list at once: interval, timeout, group, tags and policy. Empty fields change nothing."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from monitoring.admin_site.service_actions import CONFIRMED, selection
from monitoring.catalogue import lifecycle
from monitoring.models import AccountingPolicy, Service
from monitoring.models.services import validate_check_interval, validate_timeout

NO_GROUP = "-"
NUMBER = {"class": "admin-field", "inputmode": "numeric"}
TEXT = {"class": "admin-field", "autocomplete": "off"}


def _tags(label: Any) -> SimpleArrayField:
    each = forms.CharField(validators=[MaxLengthValidator(50)])
    return SimpleArrayField(each, label=label, required=False, widget=forms.TextInput(TEXT))


class BulkForm(forms.Form):
    """What to change in all of the services."""

    check_interval = forms.IntegerField(
        label=gettext_lazy("Check interval (ms)"),
        required=False,
        validators=[validate_check_interval],
        widget=forms.TextInput(NUMBER),
        help_text=gettext_lazy("60000 = one minute."),
    )
    timeout = forms.IntegerField(
        label=gettext_lazy("Timeout (ms)"),
        required=False,
        validators=[validate_timeout],
        widget=forms.TextInput(NUMBER),
        help_text=gettext_lazy("5000 = five seconds."),
    )
    group_name = forms.CharField(
        label=gettext_lazy("Group"),
        required=False,
        max_length=100,
        widget=forms.TextInput(TEXT),
        help_text=gettext_lazy("Enter a hyphen (-) to remove them from their groups."),
    )
    added = _tags(gettext_lazy("Add tags"))
    removed = _tags(gettext_lazy("Remove tags"))
    policy_name = forms.ChoiceField(
        label=gettext_lazy("Accounting policy"), required=False, widget=forms.Select({"class": "admin-field"})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["added"].help_text = self.fields["removed"].help_text = _("Separated by commas.")
        names = AccountingPolicy.objects.order_by("name").values_list("name", flat=True).distinct()
        self.fields["policy_name"].choices = [("", "–"), *((name, name) for name in names)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and not any(found.values()):
            raise ValidationError(_("Fill in at least one field."))
        return found

    def edit(self) -> lifecycle.Edit:
        given = self.cleaned_data
        columns = {
            name: given[name] for name in ("check_interval", "timeout", "group_name", "policy_name") if given[name]
        }
        if columns.get("group_name") == NO_GROUP:
            columns["group_name"] = ""
        return lifecycle.Edit(columns=columns, added=given["added"], removed=given["removed"])


def ask_or_edit(request: HttpRequest, chosen: QuerySet[Service], context: dict[str, Any]) -> HttpResponse | None:
    """Show the form; once it is valid, edit the services and return None, which leads back to the list."""
    is_sent = CONFIRMED in request.POST
    form = BulkForm(request.POST if is_sent else None)
    if is_sent and form.is_valid():
        assert isinstance(request.user, User)  # the admin requires a signed-in user
        _edit(request, form.edit(), list(chosen.values_list("id", flat=True)), request.user)
        return None
    context |= {**selection(request, chosen), "title": _("Edit services"), "form": form}
    return TemplateResponse(request, "admin/monitoring/service/bulk_edit.html", context)


def _edit(request: HttpRequest, edit: lifecycle.Edit, ids: Sequence[str], who: User) -> None:
    with transaction.atomic():
        services = lifecycle.edit(ids, edit, now=timezone.now())
        with translation.override(None):  # the history translates the names when it shows them
            names = [str(Service._meta.get_field(name).verbose_name).capitalize() for name in edit.names]  # type: ignore[union-attr]
        what: list[Any] = [{"changed": {"fields": names}}]
        LogEntry.objects.log_actions(who.pk, services, CHANGE, what)
    if services:
        messages.success(request, _("Done. Services: %(count)d") % {"count": len(services)})
    else:
        messages.info(request, _("No changes: the services were already in this state."))
