from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("statuspage.urls")),
    path("", include("observability.urls")),
]
