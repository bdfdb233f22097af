"""Post-mortems: what caused an incident, and what is done about it."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.incident import Incident


class PostMortem(models.Model):
    """Drafted internally, published separately. Its timeline is computed when it is read."""

    incident = models.OneToOneField(Incident, models.CASCADE, primary_key=True, related_name="post_mortem")
    summary = models.TextField(_("summary"), blank=True, default="")  # Markdown, for customers
    summary_translations = models.JSONField(default=dict, blank=True)
    root_cause = models.TextField(_("root cause"), blank=True, default="")  # Markdown, for customers
    root_cause_translations = models.JSONField(default=dict, blank=True)
    notes = models.TextField(_("internal notes"), blank=True, default="")  # never published
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    published_at = models.DateTimeField(null=True, editable=False)  # null: customers don't see it
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta:
        db_table = "post_mortems"
        verbose_name = _("post-mortem")
        verbose_name_plural = _("post-mortems")

    def __str__(self) -> str:
        return str(self.incident)


class FollowUp(models.Model):
    """Something to be done so that it does not happen again."""

    post_mortem = models.ForeignKey(PostMortem, models.CASCADE, related_name="follow_ups")
    text = models.CharField(_("action"), max_length=500)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("owner")
    )
    due_on = models.DateField(_("due"), null=True, blank=True)
    done_at = models.DateTimeField(_("done"), null=True, blank=True)

    class Meta:
        db_table = "post_mortem_follow_ups"
        verbose_name = _("action")
        verbose_name_plural = _("actions")
        indexes: ClassVar[list[models.Index]] = [
            # Reader: the actions that are overdue, on the first screen.
            models.Index(fields=["due_on"], condition=models.Q(done_at=None), name="follow_ups_open"),
        ]

    def __str__(self) -> str:
        return self.text
