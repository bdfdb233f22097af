"""The module in which Django looks for admin classes; importing the modules below registers theirs."""

from monitoring.admin_site import accounting_admin, service_admin  # noqa: F401
