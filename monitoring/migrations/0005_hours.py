import django.contrib.postgres.fields
from django.db import migrations, models

# Readers: the hourly counts and the load of the last minute, over all services. Checks arrive in order of time, so
# block ranges find them at no cost; summarised as they fill, or the newest ones would all be read.
BY_TIME = "CREATE INDEX watch_server_logs_by_time ON watch_server_logs USING brin (checked_at) WITH (pages_per_range = 32, autosummarize = on)"


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0004_checks")]

    operations = [
        migrations.CreateModel(
            name="Hour",
            fields=[
                ("hour_at", models.DateTimeField(primary_key=True, serialize=False)),
                ("ok_count", models.IntegerField()),
                ("slow_count", models.IntegerField()),
                ("bad_count", models.IntegerField()),
                (
                    "response_buckets",
                    django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=None),
                ),
                ("computed_at", models.DateTimeField()),
                ("took_ms", models.IntegerField()),
            ],
            options={"db_table": "check_hours"},
        ),
        migrations.CreateModel(
            name="ServiceHour",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "hour_at", "service_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("hour_at", models.DateTimeField()),
                ("service_id", models.TextField()),
                ("ok_count", models.IntegerField()),
                ("slow_count", models.IntegerField()),
                ("bad_count", models.IntegerField()),
                ("response_ms_sum", models.FloatField()),
            ],
            options={"db_table": "service_hours"},
        ),
        migrations.RunSQL(BY_TIME, "DROP INDEX watch_server_logs_by_time"),
    ]
