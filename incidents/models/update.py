"""Updates of incidents."""

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.incident import Incident, IncidentStatus


class UpdateQuerySet(models.QuerySet["IncidentUpdate"]):
    def published(self) -> Self:
        """Return the updates that have taken effect, internal ones included."""
        return self.exclude(published_at=None)

    def public(self) -> Self:
        """Return the updates that customers may read. Every public reader starts here."""
        return self.published().filter(is_customer_visible=True).exclude(incident__published_at=None)

    def due(self, now: datetime) -> Self:
        """Return the scheduled updates whose time has come; those of drafts wait until the incident is published."""
        return self.filter(published_at=None, publish_at__lte=now).exclude(incident__published_at=None)


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

    # Our own columns, beyond the specified ones.
    message_translations = models.JSONField(
        default=dict, db_default={}, blank=True
    )  # by language code, in addition to `message`
    impacts = models.JSONField(null=True, blank=True)  # impact by service id from this update on; null: unchanged
    is_proposed = models.BooleanField(
        default=False, db_default=False, editable=False
    )  # by the monitor; a person decides
    publish_at = models.DateTimeField(null=True, blank=True)  # when a scheduled update takes effect
    published_at = models.DateTimeField(null=True, editable=False)  # when it took effect; null: it has not yet
    edited_at = models.DateTimeField(null=True, editable=False)  # last correction; `wordings` has the earlier texts
    edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    objects = UpdateQuerySet.as_manager()

    class Meta:
        db_table = "incident_update"
        verbose_name = _("incident update")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(status__in=IncidentStatus.values), name="incident_update_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(is_proposed=False) | models.Q(published_at=None),
                name="incident_update_proposed_or_published",
            ),
            # The monitor proposes one update at a time.
            models.UniqueConstraint(
                fields=["incident"], condition=models.Q(is_proposed=True), name="one_proposed_update_of_an_incident"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["incident", "-created_at"], name="incident_update_newest"),  # the time line
            # Reader: the task that publishes scheduled updates.
            models.Index(
                fields=["publish_at"],
                condition=models.Q(published_at=None, publish_at__isnull=False),
                name="incident_update_scheduled",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.incident_id} {self.status}"


class UpdateWording(models.Model):
    """An earlier text of an update, kept when it was corrected."""

    update_corrected = models.ForeignKey(IncidentUpdate, models.CASCADE, related_name="wordings", db_column="update_id")
    message = models.TextField(_("message"))
    message_translations = models.JSONField(default=dict)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    written_at = models.DateTimeField()  # from then on it was the text
    replaced_at = models.DateTimeField()

    class Meta:
        db_table = "incident_update_wordings"

    def __str__(self) -> str:
        return f"{self.update_corrected_id} until {self.replaced_at:%Y-%m-%d %H:%M}"


class UpdateTemplate(models.Model):
    """A text with variables such as {service}, to begin an update with."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    status = models.CharField(  # that the update sets; empty: the one of the incident
        _("status"), max_length=16, choices=IncidentStatus.choices, blank=True, default=""
    )
    message = models.TextField(_("message"))
    message_translations = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_column="created_by", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "incident_update_templates"
        verbose_name = _("update template")
        verbose_name_plural = _("update templates")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(status__in=["", *IncidentStatus.values]), name="update_template_status_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name
