from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "incidents"

    def ready(self) -> None:
        from incidents import tasks  # noqa: F401  registers the tasks
        from monitoring.transitions import register_consumer

        register_consumer("system_status", task="incidents.follow_transitions")
