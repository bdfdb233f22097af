from django.urls import URLPattern, URLResolver, path

from observability import views

app_name = "observability"
urlpatterns: list[URLPattern | URLResolver] = [
    path("health", views.show_health, name="health"),
]
