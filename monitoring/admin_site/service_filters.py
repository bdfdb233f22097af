"""The filters of the list of services. The choices of each take one small query at most."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import F, Func, QuerySet, TextField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from monitoring.models import Service
from monitoring.words.statuses import NOW_LABELS

Choices = list[tuple[str, Any]]


class ShownFilter(SimpleListFilter):
    """A filter that hides archived services by default."""

    title = _("checks")
    parameter_name = "shown"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("running", _("Running")), ("paused", _("Paused")), ("archived", _("Archived"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Service]) -> QuerySet[Service]:
        match self.value():
            case "running":
                return queryset.filter(archived_at=None, is_active=True)
            case "paused":
                return queryset.filter(archived_at=None, is_active=False)
            case "archived":
                return queryset.exclude(archived_at=None)
        return queryset.filter(archived_at=None)


class StatusFilter(SimpleListFilter):
    """A filter by the status that the list shows: unknown if no check counts now. Needs `live_status`."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(status.value, label) for status, label in NOW_LABELS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(live_status=self.value()) if self.value() else queryset


class RegionFilter(SimpleListFilter):
    title = _("region")
    parameter_name = "region"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        each = Func(F("regions"), function="unnest", output_field=TextField())
        regions = Service.objects.present().order_by().values_list(each, flat=True).distinct()
        return [(region, region) for region in sorted(regions)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Service]) -> QuerySet[Service]:
        return queryset.filter(regions__contains=[self.value()]) if self.value() else queryset


class GroupFilter(SimpleListFilter):
    title = _("group")
    parameter_name = "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        groups = Service.objects.present().exclude(group_name="").order_by("group_name")
        return [(name, name) for name in groups.values_list("group_name", flat=True).distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Service]) -> QuerySet[Service]:
        return queryset.filter(group_name=self.value()) if self.value() else queryset


class TagFilter(SimpleListFilter):
    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        each = Func(F("tags"), function="unnest", output_field=TextField())
        tags = Service.objects.present().order_by().values_list(each, flat=True).distinct()
        return [(tag, tag) for tag in sorted(tags)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Service]) -> QuerySet[Service]:
        return queryset.filter(tags__contains=[self.value()]) if self.value() else queryset
