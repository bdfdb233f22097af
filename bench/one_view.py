"""The urls of an API that does nothing."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path


@login_not_required
def nothing(request: HttpRequest) -> HttpResponse:
    return JsonResponse({})


urlpatterns = [path("api/none", nothing, name="none")]
