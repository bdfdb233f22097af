"""Where Django looks for admin classes: importing a module registers what it defines."""

from monitoring.admin_site import accounting_admin, service_admin  # noqa: F401
