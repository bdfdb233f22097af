from django.urls import URLPattern, URLResolver, path, register_converter

from monitoring import views

app_name = "monitoring"
register_converter(views.ExitCodeConverter, "exit_code")


def _pings(base: str, name: str, *words: str) -> list[URLPattern]:
    return [
        path(f"{base}/<str:token>", views.heartbeat, name=name),
        path(f"{base}/<str:token>/", views.heartbeat),
        *(path(f"{base}/<str:token>/{word}", views.heartbeat, {"word": word}, name=f"{name}-{word}") for word in words),
        path(f"{base}/<str:token>/<exit_code:exit_code>", views.heartbeat, name=f"{name}-exit"),
    ]


urlpatterns: list[URLPattern | URLResolver] = [
    *_pings("heartbeat", "heartbeat", "start", "fail", "log"),
    *_pings("ping", "ping", "start", "fail", "log"),  # as Healthchecks has them
    path("api/push/<str:token>", views.push, name="push"),  # as Uptime Kuma has it
    path("api/push/<str:token>/", views.push),
]
