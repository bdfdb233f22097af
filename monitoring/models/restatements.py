"""Corrections of measured time, which are proposed and then approved. They are separate rows: nothing is edited."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.services import Service


class RestatedAs(models.TextChoices):
    OPERATIONAL = "operational", _("Operational")
    PARTIAL = "partial", _("Degraded")
    DOWN = "down", _("Down")
    UNKNOWN = "unknown", _("Unknown")


class Restatement(models.Model):
    service = models.ForeignKey(
        Service, models.CASCADE, related_name="restatements", db_index=False, verbose_name=_("service")
    )
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"))
    restated_as = models.TextField(_("restated as"), choices=RestatedAs.choices)
    reason = models.TextField(_("reason"))
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("proposed by")
    )
    proposed_at = models.DateTimeField(_("proposed"))
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    is_approved = models.BooleanField(_("approved"), null=True)  # null: not decided yet
    is_self_approved = models.BooleanField(  # there was no second admin to approve it; never changed
        _("self-approved"), default=False, db_default=False, editable=False
    )

    class Meta:
        db_table = "restatements"
        verbose_name = _("restatement")
        verbose_name_plural = _("restatements")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(until__gt=models.F("since")), name="restatements_in_order"),
            models.CheckConstraint(
                condition=models.Q(restated_as__in=RestatedAs.values), name="restatements_kind_known"
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="restatements_have_a_reason"),
            # A decision and its time are stored together.
            models.CheckConstraint(
                condition=models.Q(is_approved=None, decided_at=None)
                | models.Q(is_approved__isnull=False, decided_at__isnull=False),
                name="restatements_decided_has_time",
            ),
            # An approval by its own author must be marked in the row.
            models.CheckConstraint(
                condition=~models.Q(is_approved=True, proposed_by=models.F("decided_by"), is_self_approved=False),
                name="restatements_say_self_approved",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Reader: accounting, the restatements of a service that touch a window.
            models.Index(fields=["service", "since"], name="restatements_of_service"),
        ]

    def __str__(self) -> str:
        return f"{self.service_id} {self.since:%Y-%m-%d %H:%M} {self.restated_as}"

    def clean(self) -> None:
        if self.since and self.until and self.until <= self.since:
            raise ValidationError({"until": _("The end must be after the beginning.")})
