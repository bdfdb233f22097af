from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ShellConfig(AppConfig):
    name = "slamonitor"
    default = True
    verbose_name = "SLA monitor"

    def ready(self) -> None:
        from slamonitor import checks  # noqa: F401  registers the system checks
        from slamonitor.doctor import findings  # noqa: F401  registers what the doctor asks


class DeskConfig(admin_apps.AdminConfig):
    """Makes our site the one that apps register with by `@admin.register`."""

    default = False
    default_site = "slamonitor.admin_site.Desk"
