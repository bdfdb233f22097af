from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ShellConfig(AppConfig):
    name = "slamonitor"
    default = True
    verbose_name = "SLA monitor"

    def ready(self) -> None:
        from slamonitor import checks  # noqa: F401  registers the system checks
        from slamonitor.doctor import findings  # noqa: F401  registers the questions of the doctor


class AdminConfig(admin_apps.AdminConfig):
    """Make our site the default, with which `@admin.register` registers."""

    default = False
    default_site = "slamonitor.admin_site.AdminSite"
