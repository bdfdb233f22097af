import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import monitoring.models.raw
import monitoring.models.services
import monitoring.probes.model
import monitoring.rules.state
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Service",
            fields=[
                (
                    "id",
                    models.TextField(
                        primary_key=True,
                        serialize=False,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9]+(-[a-z0-9]+)*\\Z",
                                "Use lowercase letters, digits and single hyphens, for example id-recognition.",
                            ),
                            django.core.validators.MaxLengthValidator(100),
                        ],
                        verbose_name="id",
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True, verbose_name="name")),
                ("display_name", models.CharField(max_length=100, verbose_name="display name")),
                ("description", models.TextField(blank=True, default="", verbose_name="description")),
                (
                    "endpoint_url",
                    models.TextField(
                        validators=[monitoring.models.services.validate_endpoint_url], verbose_name="URL to check"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("o", "Operational"),
                            ("po", "Degraded"),
                            ("mo", "Down"),
                            ("nd", "No data"),
                        ],
                        default="nd",
                        max_length=2,
                        verbose_name="status",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="monitored")),
                (
                    "check_interval",
                    models.IntegerField(
                        default=60000,
                        validators=[monitoring.models.services.validate_check_interval],
                        verbose_name="check interval (ms)",
                    ),
                ),
                (
                    "timeout",
                    models.IntegerField(
                        default=5000,
                        validators=[monitoring.models.services.validate_timeout],
                        verbose_name="timeout (ms)",
                    ),
                ),
                ("metadata", models.JSONField(blank=True, default=dict, verbose_name="metadata")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "regions",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(
                            validators=[
                                django.core.validators.RegexValidator(
                                    "^[a-z0-9]+(-[a-z0-9]+)*\\Z",
                                    "Use lowercase letters, digits and single hyphens, for example seoul.",
                                )
                            ]
                        ),
                        default=monitoring.models.services.default_regions,
                        size=None,
                    ),
                ),
                ("quorum", models.SmallIntegerField(blank=True, null=True)),
                ("is_critical", models.BooleanField(default=False, verbose_name="critical")),
                ("phase_ms", models.IntegerField(editable=False)),
                ("version", models.IntegerField(default=1, editable=False)),
                ("archived_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "verbose_name": "service",
                "verbose_name_plural": "services",
                "db_table": "services",
            },
        ),
        migrations.CreateModel(
            name="Transition",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_status", models.CharField(max_length=2)),
                ("to_status", models.CharField(max_length=2)),
                (
                    "cause",
                    models.TextField(
                        choices=[
                            ("measured", "measured"),
                            ("failed", "failed"),
                            ("slow", "slow"),
                            ("recovered", "recovered"),
                            ("silent", "silent"),
                        ]
                    ),
                ),
                ("edge_start_at", models.DateTimeField(null=True)),
                ("edge_end_at", models.DateTimeField()),
                ("evidence", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
                (
                    "service",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="transitions",
                        to="monitoring.service",
                    ),
                ),
            ],
            options={
                "db_table": "transitions",
            },
        ),
        migrations.CreateModel(
            name="ApiResponseTime",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "service_id",
                        "measured_at",
                        "region",
                        "hop",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("measured_at", models.DateTimeField()),
                ("response_time", monitoring.models.raw.RealField(null=True)),
                ("status_code", models.SmallIntegerField(null=True)),
                ("hop", models.SmallIntegerField(default=0)),
                ("is_success", models.BooleanField()),
                ("is_final", models.BooleanField(default=True)),
                ("service_id", models.TextField()),
                ("region", models.TextField()),
                ("method", models.TextField(default="GET")),
                ("endpoint", models.TextField(null=True)),
                ("error_message", models.TextField(null=True)),
                ("metadata", models.JSONField(null=True)),
            ],
            options={
                "db_table": "api_response_times",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="WatchServerLog",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "service_id",
                        "checked_at",
                        "region",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("checked_at", models.DateTimeField()),
                ("response_time", monitoring.models.raw.RealField(null=True)),
                ("lateness_ms", monitoring.models.raw.RealField()),
                ("dns_ms", monitoring.models.raw.RealField(null=True)),
                ("connect_ms", monitoring.models.raw.RealField(null=True)),
                ("tls_ms", monitoring.models.raw.RealField(null=True)),
                ("first_byte_ms", monitoring.models.raw.RealField(null=True)),
                ("interval_ms", models.IntegerField()),
                ("status_code", models.SmallIntegerField(null=True)),
                (
                    "is_healthy",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Q(("verdict", "bad"), _negated=True),
                        output_field=models.BooleanField(),
                    ),
                ),
                ("service_id", models.TextField()),
                ("region", models.TextField()),
                ("verdict", models.TextField(choices=[("ok", "ok"), ("slow", "slow"), ("bad", "bad")])),
                (
                    "error_type",
                    models.TextField(
                        choices=[
                            ("timeout", "timeout"),
                            ("connection_error", "connection error"),
                            ("http_error", "HTTP error"),
                            ("dns_error", "DNS error"),
                            ("unknown", "unknown error"),
                        ],
                        null=True,
                    ),
                ),
                ("error_message", models.TextField(null=True)),
                ("metadata", models.JSONField(null=True)),
            ],
            options={
                "db_table": "watch_server_logs",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="ApiCallLog",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "service_id", "date", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("date", models.DateField()),
                ("total_calls", models.IntegerField(default=0)),
                ("successful_calls", models.IntegerField(default=0)),
                ("failed_calls", models.IntegerField(default=0)),
                ("avg_response_time", monitoring.models.raw.RealField(null=True)),
                ("min_response_time", monitoring.models.raw.RealField(null=True)),
                ("max_response_time", monitoring.models.raw.RealField(null=True)),
                ("p50_response_time", monitoring.models.raw.RealField(null=True)),
                ("p95_response_time", monitoring.models.raw.RealField(null=True)),
                ("p99_response_time", monitoring.models.raw.RealField(null=True)),
                ("total_downtime_minutes", models.IntegerField(default=0)),
                ("uptime_percentage", models.DecimalField(decimal_places=2, max_digits=5, null=True)),
                ("metadata", models.JSONField(default=dict)),
                (
                    "service",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_call_logs",
                        to="monitoring.service",
                    ),
                ),
            ],
            options={
                "db_table": "api_call_logs",
            },
        ),
        migrations.CreateModel(
            name="EngineCounter",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("value", models.BigIntegerField(default=0)),
            ],
            options={
                "db_table": "engine_counters",
            },
        ),
        migrations.CreateModel(
            name="EngineWorker",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("role", models.TextField()),
                ("region", models.TextField(null=True)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("counters", models.JSONField(default=dict)),
            ],
            options={
                "db_table": "engine_workers",
            },
        ),
        migrations.CreateModel(
            name="RegionState",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "service_id", "region", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("checked_at", models.DateTimeField()),
                ("hold_s", models.IntegerField()),
                ("region", models.TextField()),
                ("verdict", models.TextField(choices=[("ok", "ok"), ("slow", "slow"), ("bad", "bad")])),
                (
                    "service",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="monitoring.service"
                    ),
                ),
            ],
            options={
                "db_table": "region_state",
            },
        ),
        migrations.CreateModel(
            name="TransitionClaim",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "transition_id", "consumer", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("consumer", models.TextField()),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "transition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="claims",
                        to="monitoring.transition",
                    ),
                ),
            ],
            options={
                "db_table": "transition_claims",
            },
        ),
        migrations.CreateModel(
            name="UptimeRecord",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "service_id", "date", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("date", models.DateField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("o", "Operational"),
                            ("po", "Partial outage"),
                            ("mo", "Major outage"),
                            ("nd", "No data"),
                            ("e", "Not yet monitored"),
                        ],
                        max_length=2,
                    ),
                ),
                ("uptime_percentage", models.DecimalField(decimal_places=2, max_digits=5, null=True)),
                ("total_checks", models.IntegerField(default=0)),
                ("successful_checks", models.IntegerField(default=0)),
                ("failed_checks", models.IntegerField(default=0)),
                ("avg_response_time", monitoring.models.raw.RealField(null=True)),
                ("metadata", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "service",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uptime_records",
                        to="monitoring.service",
                    ),
                ),
            ],
            options={
                "db_table": "uptime_records",
            },
        ),
        migrations.CreateModel(
            name="CheckRun",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "service_id", "first_at", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("check_count", models.IntegerField()),
                ("hold_s", models.IntegerField()),
                ("service_id", models.TextField()),
                ("verdict", models.TextField(choices=[("ok", "ok"), ("slow", "slow"), ("bad", "bad")])),
            ],
            options={
                "db_table": "check_runs",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "verdict__in",
                                [
                                    monitoring.probes.model.Verdict["OK"],
                                    monitoring.probes.model.Verdict["SLOW"],
                                    monitoring.probes.model.Verdict["BAD"],
                                ],
                            )
                        ),
                        name="check_runs_verdict_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("last_at__gte", models.F("first_at"))), name="check_runs_in_order"
                    ),
                    models.CheckConstraint(condition=models.Q(("check_count__gte", 1)), name="check_runs_not_empty"),
                    models.CheckConstraint(condition=models.Q(("hold_s__gte", 1)), name="check_runs_hold_positive"),
                ],
            },
        ),
        migrations.CreateModel(
            name="DispatchWatermark",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("dispatched_until", models.DateTimeField()),
                ("dispatched_slots", models.BigIntegerField(default=0)),
                ("skipped_slots", models.BigIntegerField(default=0)),
            ],
            options={
                "db_table": "dispatch_watermark",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="dispatch_watermark_single_row")
                ],
            },
        ),
        migrations.CreateModel(
            name="ServiceState",
            fields=[
                (
                    "service",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="state",
                        serialize=False,
                        to="monitoring.service",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("o", "Operational"),
                            ("po", "Degraded"),
                            ("mo", "Down"),
                            ("nd", "No data"),
                        ],
                        default="nd",
                        max_length=2,
                    ),
                ),
                ("is_down", models.BooleanField(default=False)),
                ("verdict", models.TextField(choices=[("ok", "ok"), ("slow", "slow"), ("bad", "bad")], null=True)),
                ("run_first_at", models.DateTimeField(null=True)),
                ("run_last_at", models.DateTimeField(null=True)),
                ("run_count", models.IntegerField(default=0)),
                ("run_hold_s", models.IntegerField(default=0)),
                ("streak_first_at", models.DateTimeField(null=True)),
                ("streak_count", models.IntegerField(default=0)),
                ("last_good_at", models.DateTimeField(null=True)),
                ("last_bad_at", models.DateTimeField(null=True)),
                ("stale_at", models.DateTimeField(null=True)),
                ("recheck_at", models.DateTimeField(null=True)),
                ("last_response_ms", models.FloatField(null=True)),
                ("last_status_code", models.SmallIntegerField(null=True)),
                ("last_error", models.TextField(null=True)),
            ],
            options={
                "db_table": "service_state",
            },
        ),
        migrations.AddIndex(
            model_name="service",
            index=models.Index(
                condition=models.Q(("archived_at", None), ("is_active", True)),
                fields=["check_interval", "phase_ms"],
                name="services_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(("id__regex", "^[a-z0-9]+(-[a-z0-9]+)*\\Z")), name="services_id_is_slug"
            ),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            monitoring.rules.state.Status["OPERATIONAL"],
                            monitoring.rules.state.Status["PARTIAL"],
                            monitoring.rules.state.Status["DOWN"],
                            monitoring.rules.state.Status["UNKNOWN"],
                        ],
                    )
                ),
                name="services_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(("check_interval__range", (1000, 86400000))), name="services_interval_in_range"
            ),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(("timeout__range", (100, 60000))), name="services_timeout_in_range"
            ),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(("phase_ms__gte", 0), ("phase_ms__lt", models.F("check_interval"))),
                name="services_phase_within_interval",
            ),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(condition=models.Q(("regions__len__gte", 1)), name="services_has_region"),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("quorum", None),
                    models.Q(("quorum__gte", 1), ("quorum__lte", models.F("regions__len"))),
                    _connector="OR",
                ),
                name="services_quorum_reachable",
            ),
        ),
        migrations.AddIndex(
            model_name="servicestate",
            index=models.Index(
                condition=models.Q(("recheck_at", None), _negated=True),
                fields=["recheck_at"],
                name="service_state_recheck",
            ),
        ),
        migrations.AddConstraint(
            model_name="servicestate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            monitoring.rules.state.Status["OPERATIONAL"],
                            monitoring.rules.state.Status["PARTIAL"],
                            monitoring.rules.state.Status["DOWN"],
                            monitoring.rules.state.Status["UNKNOWN"],
                        ],
                    )
                ),
                name="service_state_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="apicalllog",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "total_calls",
                        django.db.models.expressions.CombinedExpression(
                            models.F("successful_calls"), "+", models.F("failed_calls")
                        ),
                    )
                ),
                name="api_call_logs_counts_add_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="apicalllog",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("min_response_time", None),
                    models.Q(
                        ("p50_response_time__range", (models.F("min_response_time"), models.F("max_response_time"))),
                        ("p95_response_time__range", (models.F("p50_response_time"), models.F("max_response_time"))),
                        ("p99_response_time__range", (models.F("p95_response_time"), models.F("max_response_time"))),
                    ),
                    _connector="OR",
                ),
                name="api_call_logs_in_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="apicalllog",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("uptime_percentage", None), ("uptime_percentage__range", (0, 100)), _connector="OR"
                ),
                name="api_call_logs_percentage",
            ),
        ),
        migrations.AddIndex(
            model_name="transition",
            index=models.Index(fields=["service", "-edge_end_at"], name="transitions_of_service"),
        ),
        migrations.AddConstraint(
            model_name="transition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "from_status__in",
                        [
                            monitoring.rules.state.Status["OPERATIONAL"],
                            monitoring.rules.state.Status["PARTIAL"],
                            monitoring.rules.state.Status["DOWN"],
                            monitoring.rules.state.Status["UNKNOWN"],
                        ],
                    ),
                    (
                        "to_status__in",
                        [
                            monitoring.rules.state.Status["OPERATIONAL"],
                            monitoring.rules.state.Status["PARTIAL"],
                            monitoring.rules.state.Status["DOWN"],
                            monitoring.rules.state.Status["UNKNOWN"],
                        ],
                    ),
                ),
                name="transitions_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="transition",
            constraint=models.CheckConstraint(
                condition=models.Q(("from_status", models.F("to_status")), _negated=True), name="transitions_change"
            ),
        ),
        migrations.AddConstraint(
            model_name="transition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("edge_start_at", None), ("edge_start_at__lte", models.F("edge_end_at")), _connector="OR"
                ),
                name="transitions_edge_in_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="transition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "cause__in",
                        [
                            monitoring.rules.state.Cause["MEASURED"],
                            monitoring.rules.state.Cause["FAILED"],
                            monitoring.rules.state.Cause["SLOW"],
                            monitoring.rules.state.Cause["RECOVERED"],
                            monitoring.rules.state.Cause["SILENT"],
                        ],
                    )
                ),
                name="transitions_cause_known",
            ),
        ),
        migrations.AddIndex(
            model_name="transitionclaim",
            index=models.Index(
                condition=models.Q(("done_at", None)), fields=["consumer", "transition"], name="transition_claims_open"
            ),
        ),
        migrations.AddIndex(
            model_name="uptimerecord",
            index=models.Index(fields=["date"], name="uptime_records_of_day"),
        ),
        migrations.AddConstraint(
            model_name="uptimerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["o", "po", "mo", "nd", "e"])), name="uptime_records_status_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="uptimerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("uptime_percentage", None), ("uptime_percentage__range", (0, 100)), _connector="OR"
                ),
                name="uptime_records_percentage",
            ),
        ),
        migrations.AddConstraint(
            model_name="uptimerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("failed_checks__gte", 0),
                    ("successful_checks__gte", 0),
                    (
                        "total_checks",
                        django.db.models.expressions.CombinedExpression(
                            models.F("successful_checks"), "+", models.F("failed_checks")
                        ),
                    ),
                ),
                name="uptime_records_counts_add_up",
            ),
        ),
    ]
