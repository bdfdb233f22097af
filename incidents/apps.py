from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class IncidentsConfig(AppConfig):
    name = "incidents"
    verbose_name = pgettext_lazy("part of the admin", "Incidents")

    def ready(self) -> None:
        from incidents import metrics, tasks  # noqa: F401  register what they define
        from incidents.maintenance import instruments  # noqa: F401  registers metrics and diagnostics
        from incidents.maintenance.services_file import MaintenanceSection
        from monitoring.catalogue.sections import register_section
        from monitoring.states.transitions import register_consumer

        register_section(MaintenanceSection())
        register_consumer("system_status", task="incidents.follow_transitions")
        register_consumer("incidents", task="incidents.follow_outages")
