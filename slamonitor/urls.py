from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, URLResolver, include, path
from django.views.i18n import set_language

from slamonitor import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("statuspage.urls")),
    path("", include("observability.urls")),
    path("", include("monitoring.urls")),
    path("api/", include(api.urls())),
    path("admin/", admin.site.urls),
    path("language", login_not_required(set_language), name="set_language"),  # the language form of the admin
]
