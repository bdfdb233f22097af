import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Until now, every incident and every update was public as soon as it was stored.
PUBLISH = """
    UPDATE incident_update SET published_at = created_at;
    UPDATE incident SET published_at = created_at, published_by_id = created_by, first_update_at = (
        SELECT min(created_at) FROM incident_update WHERE incident_id = incident.id AND is_customer_visible
    );
"""


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0001_initial"),
        ("monitoring", "0024_incident_mode"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="FollowUp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.CharField(max_length=500, verbose_name="action")),
                ("due_on", models.DateField(blank=True, null=True, verbose_name="due")),
                ("done_at", models.DateTimeField(blank=True, null=True, verbose_name="done")),
            ],
            options={
                "verbose_name": "action",
                "verbose_name_plural": "actions",
                "db_table": "post_mortem_follow_ups",
            },
        ),
        migrations.CreateModel(
            name="PostMortem",
            fields=[
                (
                    "incident",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="post_mortem",
                        serialize=False,
                        to="incidents.incident",
                    ),
                ),
                ("summary", models.TextField(blank=True, default="", verbose_name="summary")),
                ("summary_translations", models.JSONField(blank=True, default=dict)),
                ("root_cause", models.TextField(blank=True, default="", verbose_name="root cause")),
                ("root_cause_translations", models.JSONField(blank=True, default=dict)),
                ("notes", models.TextField(blank=True, default="", verbose_name="internal notes")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("published_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "verbose_name": "post-mortem",
                "verbose_name_plural": "post-mortems",
                "db_table": "post_mortems",
            },
        ),
        migrations.CreateModel(
            name="UpdateTemplate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True, verbose_name="name")),
                (
                    "status",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("investigating", "Investigating"),
                            ("identified", "Identified"),
                            ("monitoring", "Monitoring"),
                            ("resolved", "Resolved"),
                        ],
                        default="",
                        max_length=16,
                        verbose_name="status",
                    ),
                ),
                ("message", models.TextField(verbose_name="message")),
                ("message_translations", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "update template",
                "verbose_name_plural": "update templates",
                "db_table": "incident_update_templates",
            },
        ),
        migrations.CreateModel(
            name="UpdateWording",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message", models.TextField(verbose_name="message")),
                ("message_translations", models.JSONField(default=dict)),
                ("written_at", models.DateTimeField()),
                ("replaced_at", models.DateTimeField()),
            ],
            options={
                "db_table": "incident_update_wordings",
            },
        ),
        migrations.AddField(
            model_name="affectedservice",
            name="evidence",
            field=models.JSONField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="affectedservice",
            name="failed_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="affectedservice",
            name="is_followed",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="affectedservice",
            name="recovered_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="incident",
            name="acknowledged_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="incident",
            name="acknowledged_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="incident",
            name="detected_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="incident",
            name="dismissed_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="incident",
            name="dismissed_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="incident",
            name="first_update_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="incident",
            name="is_automatic",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="incident",
            name="published_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="incident",
            name="published_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="incident",
            name="title_translations",
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
        migrations.AddField(
            model_name="incidentupdate",
            name="edited_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="incidentupdate",
            name="edited_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="incidentupdate",
            name="impacts",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="incidentupdate",
            name="is_proposed",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="incidentupdate",
            name="message_translations",
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
        migrations.AddField(
            model_name="incidentupdate",
            name="publish_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="incidentupdate",
            name="published_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.RunSQL(PUBLISH, migrations.RunSQL.noop),
        # Trigger events of the update must be over before the tables are altered again.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("dismissed_at", None), ("published_at", None)),
                fields=["-started_at"],
                name="incident_drafts",
            ),
        ),
        migrations.AddIndex(
            model_name="incidentupdate",
            index=models.Index(
                condition=models.Q(("publish_at__isnull", False), ("published_at", None)),
                fields=["publish_at"],
                name="incident_update_scheduled",
            ),
        ),
        migrations.AddConstraint(
            model_name="affectedservice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_followed", True)),
                fields=("service",),
                name="one_automatic_incident_of_a_service",
            ),
        ),
        migrations.AddConstraint(
            model_name="affectedservice",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_followed", False), ("failed_at__isnull", False), _connector="OR"),
                name="followed_outage_has_a_beginning",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("dismissed_at", None), ("published_at", None), _connector="OR"),
                name="incident_dismissed_or_published",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("first_update_at", None), ("published_at__isnull", False), _connector="OR"),
                name="incident_first_update_is_public",
            ),
        ),
        migrations.AddConstraint(
            model_name="incidentupdate",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_proposed", False), ("published_at", None), _connector="OR"),
                name="incident_update_proposed_or_published",
            ),
        ),
        migrations.AddConstraint(
            model_name="incidentupdate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_proposed", True)),
                fields=("incident",),
                name="one_proposed_update_of_an_incident",
            ),
        ),
        migrations.AddField(
            model_name="followup",
            name="owner",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="owner",
            ),
        ),
        migrations.AddField(
            model_name="postmortem",
            name="created_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="postmortem",
            name="published_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="followup",
            name="post_mortem",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="follow_ups", to="incidents.postmortem"
            ),
        ),
        migrations.AddField(
            model_name="updatetemplate",
            name="created_by",
            field=models.ForeignKey(
                db_column="created_by",
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="updatewording",
            name="author",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="updatewording",
            name="update_corrected",
            field=models.ForeignKey(
                db_column="update_id",
                on_delete=django.db.models.deletion.CASCADE,
                related_name="wordings",
                to="incidents.incidentupdate",
            ),
        ),
        migrations.AddIndex(
            model_name="followup",
            index=models.Index(condition=models.Q(("done_at", None)), fields=["due_on"], name="follow_ups_open"),
        ),
        migrations.AddConstraint(
            model_name="updatetemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["", "investigating", "identified", "monitoring", "resolved"])),
                name="update_template_status_known",
            ),
        ),
    ]
