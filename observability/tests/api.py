"""An API that fails in every way, for tests."""

import threading

from django.contrib.auth.decorators import login_not_required
from django.core import exceptions
from django.db import OperationalError
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from database.models import ChangeCounter
from observability import trace
from observability.errors import ApiError

PLANTED = "postgresql://monitor:hunter2-planted@db/sla"


@login_not_required
def fine(request: HttpRequest) -> HttpResponse:
    context = trace.current()
    assert context is not None
    return JsonResponse({"trace_id": context.trace_id, "parent_id": context.parent_id})


@csrf_exempt
@login_not_required
def fail(request: HttpRequest, how: str) -> HttpResponseBase:
    failures: dict[str, Exception] = {
        "incident": ApiError("INCIDENT_NOT_FOUND", "No such incident: 7.", status=404, details={"incident_id": 7}),
        "secret": ApiError("BAD_URL", f"{PLANTED} is refused.", status=422, details={"password": "hunter2-planted"}),
        "busy": ApiError("BUSY", "Later.", status=429, headers={"Retry-After": "7"}),
        "missing": Http404("internal words"),
        "forbidden": exceptions.PermissionDenied("internal words"),
        "invalid": exceptions.ValidationError({"name": ["too long"]}),
        "unreadable": exceptions.BadRequest("internal words"),
        "suspicious": exceptions.SuspiciousOperation("internal words"),
        "bug": ZeroDivisionError("internal words"),
        "database": OperationalError("internal words"),
    }
    if how == "body":
        return HttpResponse(len(request.body))
    raise failures[how]


@login_not_required
@require_POST
def with_csrf(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


at_work = threading.Event()  # set by `create` after its work, before it answers
may_answer = threading.Event()
may_answer.set()


@csrf_exempt
@login_not_required
def create(request: HttpRequest, status: int) -> HttpResponse:
    """Count its calls, then answer with the requested status."""
    done, _created = ChangeCounter.objects.get_or_create(topic="created")
    ChangeCounter.objects.filter(topic="created").update(value=F("value") + 1)
    at_work.set()
    assert may_answer.wait(30)
    if status >= 400:
        raise ApiError("REFUSED", "No.", status=status)
    answer = {"number": done.value + 1, "token": PLANTED}
    return JsonResponse(answer, status=status, headers={"Location": "/api/created/1", "X-Other": "x"})


def for_people(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [
    path("api/fine", fine),
    path("api/fail/<str:how>", fail),
    path("api/create/<int:status>", create),
    path("api/with-csrf", with_csrf),
    path("api/signed-in", for_people),
    path("page/fail/<str:how>", fail),
    path("", include("slamonitor.urls")),
]
