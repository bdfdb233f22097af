"""Changes of incidents over the API, by the rules of the admin, with preconditions."""

from collections.abc import Callable, Collection
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Prefetch
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.callers import caller
from accounts.models import User
from incidents import reporting
from incidents.api.schemas import IncidentOut
from incidents.lifecycle import begun
from incidents.models import AffectedService, Incident
from monitoring.api import preconditions
from monitoring.api.parameters import refused
from monitoring.models import Service
from observability import errors
from observability.errors import ApiError

LARGEST_ID = 2**63 - 1
USERS = ("created_by", "acknowledged_by")
# Without their evidence, which is most of a row.
AFFECTED = Prefetch("affectedservice_set", AffectedService.objects.only("incident", "service", "impact"))


def who(request: HttpRequest) -> User:
    return caller(request).user


def find(incident_id: int) -> Incident:
    """Return an incident with its services and users. Two queries. Raises `ApiError`, 404."""
    found = Incident.objects.select_related(*USERS).prefetch_related(AFFECTED)
    incident = found.filter(pk=incident_id).first() if incident_id <= LARGEST_ID else None
    if incident is None:
        raise ApiError("INCIDENT_NOT_FOUND", _("There is no incident %(id)s.") % {"id": incident_id}, status=404)
    return incident


def change(request: HttpRequest, incident_id: int, now: datetime, act: Callable[[Incident], object]) -> Incident:
    """Lock an incident, compare the tag of the caller, act, and tell the page. Raises `ApiError`."""
    with transaction.atomic():
        shown = find(incident_id)
        incident = reporting.locked(incident_id)
        preconditions.demand(request, preconditions.etag_of(IncidentOut.of(shown, now)), is_required=False)
        act(incident)
        reporting.publish(now)
    return find(incident_id)


def set_start(incident: Incident, started_at: datetime, now: datetime) -> None:
    """Set the start of an incident. Raises `ApiError`, 422, if it is in the future or after a later step."""
    if started_at > now:
        words = _("This time is in the future. Announce planned work as maintenance instead.")
        raise refused({"started_at": words})
    try:
        course = begun(reporting.course_of(incident), started_at)
    except ValueError:
        words = _("The incident was identified or resolved before this time. Choose an earlier time.")
        raise refused({"started_at": words}) from None
    reporting.follow(incident, course, incident.resolved_by)


def demand_services(ids: Collection[str]) -> list[Service]:
    """Return services by their ids. Raises `ApiError`, 422, for those that do not exist or are archived."""
    found = list(Service.objects.present().filter(pk__in=ids))
    if missing := sorted(set(ids) - {service.pk for service in found}):
        words = _("There is no service %(id)s. List them: GET /api/v1/services")
        raise refused({"services": words % {"id": missing[0]}})
    return found


def _refusal(error: ValidationError) -> ApiError:
    """Return an error with the messages of a rule; one that says who was faster is a conflict."""
    if hasattr(error, "error_dict"):
        return errors.invalid({name: list(map(str, messages)) for name, messages in error.message_dict.items()})
    code = getattr(error, "code", None)
    if code in CONFLICTS:
        return ApiError(CONFLICTS[code], " ".join(error.messages), status=409)
    return errors.invalid({"": error.messages})


CONFLICTS = {
    "published": "ALREADY_PUBLISHED",
    "dismissed": "ALREADY_DISMISSED",
    "resolved": "INCIDENT_RESOLVED",
    "waiting": "UPDATE_NOT_PUBLISHED",
    "explained": "ALREADY_EXPLAINED",
    "draft": "INCIDENT_NOT_PUBLISHED",
    "open": "INCIDENT_NOT_RESOLVED",
    "over": "MAINTENANCE_OVER",
    "begun": "MAINTENANCE_BEGUN",
    "not_begun": "MAINTENANCE_NOT_BEGUN",
}
errors.register(ValidationError, _refusal)
