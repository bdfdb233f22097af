from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql" / "raw_tables.sql"


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0001_initial")]

    operations = [
        migrations.RunSQL(SQL.read_text(), "DROP TABLE watch_server_logs, api_response_times"),
        # Room on each page, so that the rewrite at every check stays on it and touches no index (HOT).
        migrations.RunSQL(
            "ALTER TABLE service_state SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);"
            "ALTER TABLE region_state SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05)",
            migrations.RunSQL.noop,
        ),
    ]
