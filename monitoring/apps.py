from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from monitoring import health, worker_signals  # noqa: F401  register health checks, stamps of this worker
