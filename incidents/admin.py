"""The admin pages of this app."""

from django.contrib import admin

from incidents.incident_admin import IncidentAdmin
from incidents.maintenance.admin_page import MaintenancePlanAdmin
from incidents.models import Incident, MaintenancePlan, UpdateTemplate
from incidents.template_admin import UpdateTemplateAdmin

admin.site.register(Incident, IncidentAdmin)
admin.site.register(MaintenancePlan, MaintenancePlanAdmin)
admin.site.register(UpdateTemplate, UpdateTemplateAdmin)
