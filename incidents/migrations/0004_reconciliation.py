import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0003_maintenance"),
        ("monitoring", "0024_incident_mode"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Finding",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.TextField(
                        choices=[
                            ("unreported", "Outage without an incident"),
                            ("unmeasured", "Incident without measured downtime"),
                            ("start", "Incident and outage start at different times"),
                            ("end", "Incident and outage end at different times"),
                        ],
                        verbose_name="kind",
                    ),
                ),
                ("measured_at", models.DateTimeField(null=True, verbose_name="measured")),
                ("measured_until", models.DateTimeField(null=True)),
                ("told_at", models.DateTimeField(null=True, verbose_name="told")),
                ("found_at", models.DateTimeField(verbose_name="found")),
                ("explained_at", models.DateTimeField(null=True)),
                ("explanation", models.TextField(blank=True, default="", verbose_name="explanation")),
                (
                    "explained_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="findings",
                        to="incidents.incident",
                    ),
                ),
                (
                    "service",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="monitoring.service",
                    ),
                ),
            ],
            options={
                "verbose_name": "finding",
                "verbose_name_plural": "findings",
                "db_table": "reconciliation_findings",
                "indexes": [
                    models.Index(condition=models.Q(("explained_at", None)), fields=["-found_at"], name="findings_open")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["unreported", "unmeasured", "start", "end"])),
                        name="finding_kind_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "unreported")),
                        fields=("service", "measured_at"),
                        name="one_finding_of_an_outage",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "unreported"), _negated=True),
                        fields=("incident", "kind"),
                        name="one_finding_of_an_incident",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("kind", "unreported"), ("measured_at__isnull", False), ("service__isnull", False)
                            ),
                            models.Q(models.Q(("kind", "unreported"), _negated=True), ("incident__isnull", False)),
                            _connector="OR",
                        ),
                        name="finding_has_its_subject",
                    ),
                ],
            },
        ),
    ]
