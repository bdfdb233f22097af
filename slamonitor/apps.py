from django.apps import AppConfig


class ShellConfig(AppConfig):
    name = "slamonitor"
    verbose_name = "SLA monitor"

    def ready(self) -> None:
        from slamonitor import checks  # noqa: F401  registers the system checks
