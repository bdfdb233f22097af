"""How time is accounted: immutable versions, each in force from a day's start."""

from datetime import date
from fractions import Fraction
from typing import ClassVar, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.rules.state import Policy

STANDARD = "standard"
LONGEST_NOTICE_HOURS = 24 * 90


class LateMaintenance(models.TextChoices):
    """How maintenance is accounted that was entered too late, or changed afterwards."""

    COUNT = "count", _("accounted as measured")
    RESTATE = "restate", _("excluded, and shown as entered late")


class AccountingPolicyQuerySet(models.QuerySet["AccountingPolicy"]):
    def newest_first(self) -> Self:
        return self.order_by("name", "-effective_on", "-version")


class AccountingPolicy(models.Model):
    """A version of a policy. Never edited, which a trigger enforces: a change is the next version."""

    name = models.TextField(_("name"), default=STANDARD)
    version = models.IntegerField(_("version"))
    effective_on = models.DateField(_("in force from"))  # the start of that day in the page's time zone
    failure_threshold = models.SmallIntegerField(
        _("failure threshold (failed checks in a row)"), default=2, validators=[MinValueValidator(1)]
    )
    recovery_threshold = models.SmallIntegerField(
        _("recovery threshold (good checks in a row)"), default=1, validators=[MinValueValidator(1)]
    )
    gap_factor = models.DecimalField(
        _("validity of a check (intervals)"),
        max_digits=4,
        decimal_places=2,
        default="2.50",
        validators=[MinValueValidator(1)],
    )
    partial_weight_percent = models.SmallIntegerField(
        _("share of degraded time that counts as up (%)"),
        default=100,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
    )
    counts_maintenance = models.BooleanField(_("count maintenance as measured"), default=False)
    maintenance_notice_hours = models.SmallIntegerField(  # 0: it must be entered before its start
        _("notice of maintenance (hours)"),
        default=0,
        db_default=0,
        validators=[MinValueValidator(0), MaxValueValidator(LONGEST_NOTICE_HOURS)],
    )
    # The first versions had no such rule. Their published figures stay, so late maintenance restates.
    late_maintenance = models.TextField(
        _("maintenance entered later"),
        choices=LateMaintenance.choices,
        default=LateMaintenance.COUNT,
        db_default=LateMaintenance.COUNT,
    )
    major_below = models.DecimalField(  # a day with downtime is `mo` below this uptime, else `po`
        _("daily uptime below which a day is a major outage (%)"), max_digits=5, decimal_places=2, default="95.00"
    )
    reason = models.TextField(_("reason"), blank=True, default="")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("author")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AccountingPolicyQuerySet.as_manager()

    class Meta:
        db_table = "accounting_policies"
        verbose_name = _("accounting policy")
        verbose_name_plural = _("accounting policies")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["name", "version"], name="accounting_policies_version_once"),
            models.CheckConstraint(
                condition=models.Q(
                    version__gte=1,
                    failure_threshold__gte=1,
                    recovery_threshold__gte=1,
                    gap_factor__gte=1,
                    partial_weight_percent__range=(0, 100),
                    maintenance_notice_hours__range=(0, LONGEST_NOTICE_HOURS),
                    late_maintenance__in=LateMaintenance.values,
                    major_below__range=(0, 100),
                ),
                name="accounting_policies_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def rules(self) -> Policy:
        """Return the rules as a value for the pure modules."""
        return Policy(
            failure_threshold=self.failure_threshold,
            recovery_threshold=self.recovery_threshold,
            gap_factor=Fraction(self.gap_factor),
            partial_weight_percent=self.partial_weight_percent,
            counts_maintenance=self.counts_maintenance,
            maintenance_notice_s=3600 * self.maintenance_notice_hours,
            counts_late=self.late_maintenance == LateMaintenance.COUNT,
        )


class PolicyBook:
    """All versions in memory, to find the one in force on a day. One query."""

    def __init__(self) -> None:
        self._versions = list(AccountingPolicy.objects.newest_first())

    def in_force(self, name: str, day: date) -> AccountingPolicy:
        """Return the version of a policy for a day, or its first version before that. Raises LookupError if unknown."""
        versions = [policy for policy in self._versions if policy.name == name]
        if not versions:
            raise LookupError(f"no accounting policy is named {name!r}")
        return next((policy for policy in versions if policy.effective_on <= day), versions[-1])

    @property
    def highest_threshold(self) -> int:
        """Return the highest threshold of all versions, in checks."""
        return max(max(policy.failure_threshold, policy.recovery_threshold) for policy in self._versions)

    def name_of(self, version_id: int) -> str:
        return next(policy.name for policy in self._versions if policy.pk == version_id)
