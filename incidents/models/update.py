"""Updates of incidents."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.incident import Incident, IncidentStatus


class IncidentUpdate(models.Model):
    incident = models.ForeignKey(Incident, models.CASCADE, related_name="updates", db_index=False)
    status = models.CharField(_("status"), max_length=16, choices=IncidentStatus.choices)  # at that moment
    message = models.TextField(_("message"))  # Markdown
    is_customer_visible = models.BooleanField(_("shown to customers"), default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_column="created_by"
    )
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "incident_update"
        verbose_name = _("incident update")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(status__in=IncidentStatus.values), name="incident_update_status_known"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["incident", "-created_at"], name="incident_update_newest"),  # the time line
        ]

    def __str__(self) -> str:
        return f"{self.incident_id} {self.status}"
