from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql" / "folded_tables.sql"


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0008_maintenance_windows")]

    operations = [
        migrations.RunSQL(SQL.read_text(), "DROP TABLE folded_checks, folded_requests"),
        migrations.CreateModel(
            name="FoldedChecks",
            fields=[
                ("pk", models.CompositePrimaryKey("service_id", "day", "region", blank=True, editable=False, primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("row_count", models.IntegerField()),
                ("bad_count", models.IntegerField()),
                ("blind_count", models.IntegerField()),
                ("service_id", models.TextField()),
                ("region", models.TextField()),
                ("content", models.BinaryField()),
            ],
            options={"db_table": "folded_checks", "managed": False},
        ),
        migrations.CreateModel(
            name="FoldedRequests",
            fields=[
                ("pk", models.CompositePrimaryKey("service_id", "day", "region", blank=True, editable=False, primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("row_count", models.IntegerField()),
                ("service_id", models.TextField()),
                ("region", models.TextField()),
                ("content", models.BinaryField()),
            ],
            options={"db_table": "folded_requests", "managed": False},
        ),
    ]
