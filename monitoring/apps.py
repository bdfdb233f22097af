from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class MonitoringConfig(AppConfig):
    name = "monitoring"
    verbose_name = pgettext_lazy("part of the admin", "Monitoring")

    def ready(self) -> None:
        from monitoring import system_checks  # noqa: F401  register what they define
        from monitoring.accounting import retention  # noqa: F401  register what they define
        from monitoring.instruments import consumers, diagnostics, health, metrics  # noqa: F401  register what they define
        from monitoring.worker import signals  # noqa: F401  register what they define
