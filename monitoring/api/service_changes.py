"""Changes of services over the API, by the rules of the admin and of services files, with preconditions."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.callers import caller
from accounts.models import ApiToken
from monitoring.api import preconditions
from monitoring.api.service_schemas import ServiceOut, shown
from monitoring.catalogue import lifecycle, service_bodies
from monitoring.catalogue.planned import Refused
from monitoring.catalogue.sync import sync
from monitoring.models import Service
from monitoring.words.edits import THROUGH_API
from observability import errors
from observability.errors import ApiError, invalid

logger = logging.getLogger(__name__)

REASON = "API"  # of a pause that came with other settings


def find(service_id: str) -> Service:
    """Return a service with its state, also an archived one. Raises `ApiError`, 404."""
    service = Service.objects.select_related("state").filter(pk=service_id).first()
    if service is None:
        raise ApiError("SERVICE_NOT_FOUND", _("There is no service %(id)s.") % {"id": service_id}, status=404)
    return service


def find_present(service_id: str) -> Service:
    """Return a service that is not archived. Raises `ApiError`, 404 or 409."""
    service = find(service_id)
    if service.archived_at is not None:
        words = _("The service %(id)s is archived. Restore it first: POST /api/v1/services/%(id)s/restore")
        raise ApiError("SERVICE_ARCHIVED", words % {"id": service_id}, status=409)
    return service


def create(request: HttpRequest, body: Mapping[str, Any], now: datetime) -> ServiceOut:
    """Create a service. Raises `ApiError`: 422 with all problems, 409 if its id is taken."""
    with transaction.atomic():
        lifecycle.lock_catalogue()
        wanted, problems = service_bodies.read(body, None, {}, is_whole=True)
        if "id" not in wanted.refused:
            _demand_free(wanted.id)
        sync([wanted], problems, author=caller(request).user, reason=REASON)
    _note("service created", wanted.id, request)
    return _seen(wanted.id, now)


def change(
    request: HttpRequest, service_id: str, body: Mapping[str, Any], now: datetime, *, is_whole: bool
) -> ServiceOut:
    """Change the settings in the body, or replace all of them, which requires a tag. Raises `ApiError`."""
    with transaction.atomic():
        lifecycle.lock_catalogue()
        before = shown(find_present(service_id), now=now, with_settings=True)
        preconditions.demand(request, preconditions.etag_of(before), is_required=is_whole)
        kept = before.model_dump(mode="json")
        wanted, problems = service_bodies.read(body, service_id, kept, is_whole=is_whole)
        outcome = sync([wanted], problems, author=caller(request).user, reason=REASON)
    if outcome.has_changes:
        _note("service changed", service_id, request)
    return _seen(service_id, now)


def archive(request: HttpRequest, service_id: str, now: datetime) -> None:
    """Archive a service. Idempotent."""
    _act(request, service_id, now, find, lambda: lifecycle.archive([service_id], now=now), "service archived")


def restore(request: HttpRequest, service_id: str, now: datetime) -> ServiceOut:
    """Restore an archived service. Idempotent."""
    _act(request, service_id, now, find, lambda: lifecycle.restore([service_id], now=now), "service restored")
    return _seen(service_id, now)


def pause(request: HttpRequest, service_id: str, reason: str, now: datetime) -> ServiceOut:
    who = caller(request).user
    act = lambda: lifecycle.pause([service_id], author=who, reason=reason, now=now)  # noqa: E731
    _act(request, service_id, now, find_present, act, "service paused")
    return _seen(service_id, now)


def resume(request: HttpRequest, service_id: str, now: datetime) -> ServiceOut:
    _act(request, service_id, now, find_present, lambda: lifecycle.resume([service_id], now=now), "service resumed")
    return _seen(service_id, now)


def _act(
    request: HttpRequest,
    service_id: str,
    now: datetime,
    find: Callable[[str], Service],
    act: Callable[[], int],
    event: str,
) -> None:
    with transaction.atomic():
        lifecycle.lock_catalogue()
        current = preconditions.etag_of(shown(find(service_id), now=now, with_settings=True))
        preconditions.demand(request, current, is_required=False)
        count = act()
    if count:
        _note(event, service_id, request)


def _demand_free(service_id: str) -> None:
    taken = Service.objects.filter(pk=service_id).first()
    if taken is None:
        return
    find_present(service_id)
    words = _("The service %(id)s already exists. Change it, or choose another id.")
    raise ApiError("SERVICE_EXISTS", words % {"id": service_id}, status=409)


def _seen(service_id: str, now: datetime) -> ServiceOut:
    return shown(find(service_id), now=now, with_settings=True)


def _note(event: str, service_id: str, request: HttpRequest) -> None:
    token: ApiToken = caller(request)
    logger.info(event, extra={"service_id": service_id, "user_id": token.user_id, "token_id": token.pk})
    # For the history on the service's page, next to the changes in the admin.
    LogEntry.objects.log_actions(token.user_id, [find(service_id)], CHANGE, THROUGH_API[event], single_object=True)


def _refusal(error: Refused) -> ApiError:
    """Return an error with all problems, by key."""
    fields: dict[str, list[str]] = {}
    for problem in error.problems:
        fields.setdefault(problem.key, []).append(problem.what)
    return invalid(fields)


errors.register(Refused, _refusal)
