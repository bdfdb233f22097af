from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class IncidentsConfig(AppConfig):
    name = "incidents"
    verbose_name = pgettext_lazy("part of the admin", "Incidents")

    def ready(self) -> None:
        from incidents import metrics, tasks  # noqa: F401  register what they define
        from monitoring.states.transitions import register_consumer

        register_consumer("system_status", task="incidents.follow_transitions")
        register_consumer("incidents", task="incidents.follow_outages")
