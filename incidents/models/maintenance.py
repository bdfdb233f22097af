"""Maintenance: plans, their occurrences, the spans that account them, and what is said about them."""

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models import Service, Span
from monitoring.models.policies import LONGEST_NOTICE_HOURS

LONGEST_MINUTES = 30 * 24 * 60
MINUTE = timedelta(minutes=1)


class MaintenancePlan(models.Model):
    """Work that is planned once or by a rule. Times are wall times of its zone."""

    title = models.CharField(_("title"), max_length=200)
    title_translations = models.JSONField(default=dict, blank=True)  # by language code, in addition to `title`
    description = models.TextField(_("description"), blank=True, default="")  # Markdown, for customers
    description_translations = models.JSONField(default=dict, blank=True)
    covers_all = models.BooleanField(_("all services"), default=False)
    services = models.ManyToManyField(
        Service,
        blank=True,
        related_name="maintenance_plans",
        verbose_name=_("services"),
        db_table="maintenance_plan_services",
    )
    groups = ArrayField(models.TextField(), verbose_name=_("groups"), default=list, blank=True)
    starts_on = models.DateField(_("first day"))
    wall_time = models.TimeField(_("time"))
    zone = models.CharField(_("time zone"), max_length=64)
    duration_minutes = models.IntegerField(  # elapsed time, whatever clocks do meanwhile
        _("duration (min)"), validators=[MinValueValidator(1), MaxValueValidator(LONGEST_MINUTES)]
    )
    rrule = models.TextField(_("recurrence rule"), blank=True, default="")  # empty: once
    announce_hours = models.SmallIntegerField(  # 0: customers see it when it begins
        _("announce (hours before)"),
        default=72,
        validators=[MinValueValidator(0), MaxValueValidator(LONGEST_NOTICE_HOURS)],
    )
    ends_by_hand = models.BooleanField(_("ends by hand"), default=False)
    slug = models.CharField(  # its id in a services file; null: planned in the admin
        max_length=100, unique=True, null=True, editable=False
    )
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    cancelled_at = models.DateTimeField(null=True, editable=False)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", editable=False
    )
    made_until = models.DateTimeField(null=True, editable=False)  # its occurrences before are stored

    class Meta:
        db_table = "maintenance_plans"
        verbose_name = _("maintenance")
        verbose_name_plural = _("maintenance")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(duration_minutes__range=(1, LONGEST_MINUTES)), name="maintenance_plan_lasts"
            ),
            models.CheckConstraint(
                condition=models.Q(announce_hours__range=(0, LONGEST_NOTICE_HOURS)),
                name="maintenance_plan_announcement_in_range",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def first_wall(self) -> datetime:
        """Return the naive wall time of the start."""
        return datetime.combine(self.starts_on, self.wall_time)

    @property
    def duration(self) -> timedelta:
        return self.duration_minutes * MINUTE

    @property
    def announcement(self) -> timedelta:
        return timedelta(hours=self.announce_hours)


class OccurrenceQuerySet(models.QuerySet["MaintenanceOccurrence"]):
    def open(self) -> Self:
        """Return the occurrences that are planned or under way."""
        return self.filter(ended_at=None, cancelled_at=None)

    def planned(self) -> Self:
        return self.open().filter(begun_at=None)

    def under_way(self) -> Self:
        return self.open().exclude(begun_at=None)

    def overrunning(self, now: datetime) -> Self:
        """Return the occurrences that are under way after their planned end."""
        return self.under_way().filter(until__lte=now)


class MaintenanceOccurrence(models.Model):
    """One date of a plan. Its state follows from its times; each step is stored once."""

    plan = models.ForeignKey(MaintenancePlan, models.CASCADE, related_name="occurrences", db_index=False)
    since = models.DateTimeField(_("from"))  # by the rule of the plan; never changes
    until = models.DateTimeField(_("until"))  # the planned end, until somebody extends it or ends it
    spans = models.ManyToManyField(Span, through="MaintenanceCoverage", related_name="+")
    announced_at = models.DateTimeField(null=True)
    begun_at = models.DateTimeField(null=True)
    overran_at = models.DateTimeField(null=True)  # the planned end at which it was still under way
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    down_at_end = models.IntegerField(default=0)  # its services that were down when it ended by itself
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    is_skipped = models.BooleanField(default=False)  # by a person; it stays cancelled when the plan changes

    objects = OccurrenceQuerySet.as_manager()

    class Meta:
        db_table = "maintenance_occurrences"
        verbose_name = _("occurrence")
        verbose_name_plural = _("occurrences")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # Two runs of the task make one occurrence.
            models.UniqueConstraint(fields=["plan", "since"], name="maintenance_occurrence_made_once"),
            models.CheckConstraint(
                condition=models.Q(until__gt=models.F("since")), name="maintenance_occurrence_in_order"
            ),
            # It ends after it began; one that began is ended, never cancelled.
            models.CheckConstraint(
                condition=models.Q(ended_at=None)
                | models.Q(begun_at__isnull=False, ended_at__gte=models.F("begun_at")),
                name="maintenance_occurrence_ends_later",
            ),
            models.CheckConstraint(
                condition=models.Q(cancelled_at=None) | models.Q(begun_at=None, ended_at=None),
                name="maintenance_occurrence_ended_or_cancelled",
            ),
            models.CheckConstraint(
                condition=models.Q(is_skipped=False) | models.Q(cancelled_at__isnull=False),
                name="maintenance_occurrence_skipped_is_cancelled",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Reader: the task of each minute, the first screen and the page.
            models.Index(
                fields=["since"],
                condition=models.Q(ended_at=None, cancelled_at=None),
                name="maintenance_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.plan_id} {self.since:%Y-%m-%d %H:%M}"


class MaintenanceCoverage(models.Model):
    """A span by which accounting knows of an occurrence: one of each service, or one of all services."""

    span = models.OneToOneField(Span, models.CASCADE, primary_key=True, related_name="coverage")
    occurrence = models.ForeignKey(MaintenanceOccurrence, models.CASCADE, related_name="coverage")

    class Meta:
        db_table = "maintenance_spans"

    def __str__(self) -> str:
        return f"{self.occurrence_id} {self.span_id}"


class MaintenanceUpdateQuerySet(models.QuerySet["MaintenanceUpdate"]):
    def public(self) -> Self:
        """Return the updates that customers may read. Every public reader starts here."""
        return self.exclude(published_at=None).filter(is_customer_visible=True)


class MaintenanceUpdate(models.Model):
    occurrence = models.ForeignKey(MaintenanceOccurrence, models.CASCADE, related_name="updates")
    message = models.TextField(_("message"))  # Markdown
    message_translations = models.JSONField(default=dict, blank=True)
    is_customer_visible = models.BooleanField(_("shown to customers"), default=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)

    objects = MaintenanceUpdateQuerySet.as_manager()

    class Meta:
        db_table = "maintenance_updates"
        verbose_name = _("update of maintenance")

    def __str__(self) -> str:
        return f"{self.occurrence_id} {self.created_at:%Y-%m-%d %H:%M}"
