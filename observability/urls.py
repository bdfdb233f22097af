from django.urls import URLPattern, URLResolver, path

from observability import browser_errors, views

app_name = "observability"
urlpatterns: list[URLPattern | URLResolver] = [
    path("health", views.show_health, name="health"),
    path("livez", views.show_life, name="livez"),
    path("readyz", views.show_readiness, name="readyz"),
    path("metrics", views.show_metrics, name="metrics"),
    path("api/browser_errors", browser_errors.report_error, name="browser_errors"),
]
