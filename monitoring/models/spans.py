"""Stretches of time that are not accounted as measured, each with its author and reason.

When a person changes one, the row has the new content, and a copy keeps the earlier one.
"""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from monitoring.models.services import Service


class SpanKind(models.TextChoices):
    PAUSED = "paused", _("Paused")  # a person switched the checks of a service off
    MAINTENANCE = "maintenance", _("Maintenance")
    BLIND = "blind", _("Monitor blind")  # our own network failed, which is not downtime of services


class SpanQuerySet(models.QuerySet["Span"]):
    def in_force(self) -> Self:
        return self.filter(replaced_at=None)

    def maintenance(self) -> Self:
        return self.in_force().filter(kind=SpanKind.MAINTENANCE)

    def of(self, service_id: str) -> Self:
        """Return the spans of a service, and those of all services."""
        return self.filter(models.Q(service=service_id) | models.Q(service=None))

    def touching(self, start: datetime, end: datetime | None) -> Self:
        """Return the spans that overlap [start, end); None means no end."""
        met = self.filter(models.Q(until=None) | models.Q(until__gt=start))
        return met if end is None else met.filter(since__lt=end)


class Span(models.Model):
    kind = models.TextField(_("kind"), choices=SpanKind.choices)
    service = models.ForeignKey(  # null: all services
        Service, models.CASCADE, null=True, blank=True, related_name="spans", db_index=False, verbose_name=_("service")
    )
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"), null=True, blank=True)  # null: still open
    reason = models.TextField(_("reason"), blank=True, default="")
    author = models.ForeignKey(  # null: the monitor itself
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("author")
    )
    created_at = models.DateTimeField(_("entered"), default=timezone.now)
    replaced_at = models.DateTimeField(_("in force until"), null=True, blank=True)  # null: in force
    replaced_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    replacement = models.ForeignKey(  # of a copy: the row that replaced it, with the content in force
        "self", models.CASCADE, null=True, blank=True, related_name="earlier", editable=False
    )

    objects = SpanQuerySet.as_manager()

    class Meta:
        db_table = "spans"
        verbose_name = _("span")
        verbose_name_plural = _("spans")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(kind__in=SpanKind.values), name="spans_kind_known"),
            models.CheckConstraint(
                condition=models.Q(until=None) | models.Q(until__gt=models.F("since")), name="spans_in_order"
            ),
            models.CheckConstraint(
                condition=models.Q(replaced_at=None) | models.Q(replaced_at__gte=models.F("created_at")),
                name="spans_replaced_later",
            ),
            # A service has at most one open pause.
            models.UniqueConstraint(
                fields=["service"],
                condition=models.Q(kind="paused", until=None, replaced_at=None),
                name="spans_one_open_pause",
            ),
            # There is at most one open span of blindness.
            models.UniqueConstraint(
                fields=["kind"],
                condition=models.Q(kind="blind", service=None, until=None),
                name="spans_one_open_blindness",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Reader: accounting, the spans of a service that touch a window.
            models.Index(fields=["service", "since"], name="spans_of_service"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.since:%Y-%m-%d %H:%M}"

    def clean(self) -> None:
        if self.since and self.until and self.until <= self.since:
            raise ValidationError({"until": _("The end must be after the beginning.")})


class MaintenanceWindow(Span):
    """The spans that people plan, for the admin."""

    class Meta:
        proxy = True
        verbose_name = _("maintenance window")
        verbose_name_plural = _("maintenance windows")

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.kind = SpanKind.MAINTENANCE
        super().save(*args, **kwargs)
