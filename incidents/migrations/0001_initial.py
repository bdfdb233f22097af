import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "__first__"),
        ("monitoring", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Incident",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=200, verbose_name="title")),
                ("description", models.TextField(blank=True, default="", verbose_name="description")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("investigating", "Investigating"),
                            ("identified", "Identified"),
                            ("monitoring", "Monitoring"),
                            ("resolved", "Resolved"),
                        ],
                        default="investigating",
                        max_length=16,
                        verbose_name="status",
                    ),
                ),
                (
                    "severity",
                    models.CharField(
                        choices=[("low", "Low"), ("medium", "Medium"), ("high", "High"), ("critical", "Critical")],
                        default="medium",
                        max_length=16,
                        verbose_name="severity",
                    ),
                ),
                (
                    "priority",
                    models.CharField(
                        choices=[("P1", "P1"), ("P2", "P2"), ("P3", "P3"), ("P4", "P4")],
                        default="P3",
                        max_length=2,
                        verbose_name="priority",
                    ),
                ),
                ("started_at", models.DateTimeField(verbose_name="started")),
                ("identified_at", models.DateTimeField(blank=True, null=True, verbose_name="identified")),
                ("resolved_at", models.DateTimeField(blank=True, null=True, verbose_name="resolved")),
                ("duration_minutes", models.IntegerField(blank=True, null=True, verbose_name="duration (min)")),
                ("impact_description", models.TextField(blank=True, default="", verbose_name="impact")),
                ("root_cause", models.TextField(blank=True, default="", verbose_name="root cause")),
                ("resolution_notes", models.TextField(blank=True, default="", verbose_name="resolution")),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        db_column="created_by",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "resolved_by",
                    models.ForeignKey(
                        blank=True,
                        db_column="resolved_by",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "incident",
                "verbose_name_plural": "incidents",
                "db_table": "incident",
            },
        ),
        migrations.CreateModel(
            name="AffectedService",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "incident_id", "service_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "impact",
                    models.CharField(
                        choices=[
                            ("degraded", "Degraded performance"),
                            ("partial", "Partial outage"),
                            ("major", "Major outage"),
                        ],
                        default="partial",
                        max_length=16,
                        verbose_name="impact",
                    ),
                ),
                (
                    "service",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="monitoring.service", verbose_name="service"
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="incidents.incident"
                    ),
                ),
            ],
            options={
                "db_table": "incident_affected_services",
            },
        ),
        migrations.CreateModel(
            name="IncidentUpdate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("investigating", "Investigating"),
                            ("identified", "Identified"),
                            ("monitoring", "Monitoring"),
                            ("resolved", "Resolved"),
                        ],
                        max_length=16,
                        verbose_name="status",
                    ),
                ),
                ("message", models.TextField(verbose_name="message")),
                ("is_customer_visible", models.BooleanField(default=True, verbose_name="shown to customers")),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                (
                    "created_by",
                    models.ForeignKey(
                        db_column="created_by",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="updates",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "verbose_name": "incident update",
                "db_table": "incident_update",
            },
        ),
        migrations.CreateModel(
            name="SystemStatus",
            fields=[
                ("id", models.TextField(default="current", primary_key=True, serialize=False)),
                (
                    "overall_status",
                    models.CharField(
                        choices=[("operational", "Operational"), ("degraded", "Degraded"), ("outage", "Outage")],
                        default="operational",
                        max_length=16,
                    ),
                ),
                ("operational_services", models.IntegerField(default=0)),
                ("total_services", models.IntegerField(default=0)),
                ("active_incidents", models.IntegerField(default=0)),
                ("last_incident_at", models.DateTimeField(null=True)),
                ("message", models.TextField(blank=True, default="")),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "db_table": "system_status",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", "current")), name="system_status_single_row"),
                    models.CheckConstraint(
                        condition=models.Q(("overall_status__in", ["operational", "degraded", "outage"])),
                        name="system_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("operational_services__gte", 0), ("operational_services__lte", models.F("total_services"))
                        ),
                        name="system_status_counts",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="Incident",
            name="affected_services",
            field=models.ManyToManyField(
                related_name="incidents", through="incidents.AffectedService", to="monitoring.service"
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["status", "-started_at"], name="incident_by_status"),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["-started_at"], name="incident_newest"),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["investigating", "identified", "monitoring", "resolved"])),
                name="incident_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["low", "medium", "high", "critical"])),
                name="incident_severity_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__in", ["P1", "P2", "P3", "P4"])), name="incident_priority_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("identified_at", None), ("identified_at__gte", models.F("started_at")), _connector="OR"
                ),
                name="incident_identified_after_start",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("resolved_at", None), ("resolved_at__gte", models.F("started_at")), _connector="OR"
                ),
                name="incident_resolved_after_start",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("resolved_at__isnull", False), ("status", "resolved")),
                    models.Q(models.Q(("status", "resolved"), _negated=True), ("resolved_at", None)),
                    _connector="OR",
                ),
                name="incident_resolved_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("duration_minutes", None), ("duration_minutes__gte", 0), _connector="OR"),
                name="incident_duration_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="affectedservice",
            constraint=models.CheckConstraint(
                condition=models.Q(("impact__in", ["degraded", "partial", "major"])),
                name="affected_service_impact_known",
            ),
        ),
        migrations.AddIndex(
            model_name="incidentupdate",
            index=models.Index(fields=["incident", "-created_at"], name="incident_update_newest"),
        ),
        migrations.AddConstraint(
            model_name="incidentupdate",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["investigating", "identified", "monitoring", "resolved"])),
                name="incident_update_status_known",
            ),
        ),
    ]
