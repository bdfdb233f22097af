from django.urls import URLPattern, URLResolver, path

from statuspage import views

app_name = "statuspage"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.page, name="page"),
    path("assets/<slug:version>/<str:name>", views.asset, name="asset"),
]
