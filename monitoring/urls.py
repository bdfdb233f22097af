from django.urls import URLPattern, URLResolver, path

from monitoring import views

app_name = "monitoring"
urlpatterns: list[URLPattern | URLResolver] = [
    path("heartbeat/<str:token>", views.heartbeat, name="heartbeat"),
    path("heartbeat/<str:token>/start", views.heartbeat, {"word": "start"}, name="heartbeat-start"),
    path("heartbeat/<str:token>/fail", views.heartbeat, {"word": "fail"}, name="heartbeat-fail"),
    path("heartbeat/<str:token>/<int:exit_code>", views.heartbeat, name="heartbeat-exit"),
]
