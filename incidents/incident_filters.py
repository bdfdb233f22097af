"""The filter of the list of incidents by what was decided about them."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from incidents.models import Incident


class StageFilter(SimpleListFilter):
    """A filter that hides dismissed drafts by default."""

    title = _("publication")
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("drafts", _("Drafts")), ("published", _("Published")), ("dismissed", _("Dismissed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Incident]) -> QuerySet[Incident]:
        match self.value():
            case "drafts":
                return queryset.filter(published_at=None, dismissed_at=None)
            case "published":
                return queryset.exclude(published_at=None)
            case "dismissed":
                return queryset.exclude(dismissed_at=None)
        return queryset.filter(dismissed_at=None)
