from django.urls import URLPattern, URLResolver

app_name = "observability"
urlpatterns: list[URLPattern | URLResolver] = []
