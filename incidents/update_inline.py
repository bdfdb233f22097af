"""The new update in the form of an incident."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline

from incidents.models import Incident, IncidentUpdate
from incidents.update_form import UpdateForm


class UpdateInline(StackedInline):
    """A form for one more update; the timeline of the page shows the earlier ones."""

    model = IncidentUpdate
    form = UpdateForm
    template = "admin/incidents/incident/_new_update.html"
    extra = max_num = 1
    can_delete = False
    fields = ("status", "message", "is_customer_visible")
    verbose_name = verbose_name_plural = _("new update")

    def get_queryset(self, request: HttpRequest) -> QuerySet[IncidentUpdate]:
        return IncidentUpdate.objects.none()

    def get_formset(self, request: HttpRequest, obj: Incident | None = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.incident = obj  # a class created for this request
        return formset

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # published updates stay

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
