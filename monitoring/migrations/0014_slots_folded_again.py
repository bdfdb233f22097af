"""The newest slot of a service is folded again from the state before it; former regions fold as they did then."""

from pathlib import Path

import django.contrib.postgres.fields
from django.db import migrations, models


SQL = Path(__file__).parent.parent / "sql" / "former_regions.sql"


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0013_thresholds_of_days'),
    ]

    operations = [
        migrations.CreateModel(
            name='FormerRegions',
            fields=[
                ('pk', models.CompositePrimaryKey('service_id', 'until', blank=True, editable=False, primary_key=True, serialize=False)),
                ('until', models.DateTimeField()),
                ('quorum', models.SmallIntegerField(null=True)),
                ('service_id', models.TextField()),
                ('regions', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
            ],
            options={
                'db_table': 'former_regions',
            },
        ),
        # The release before still writes both columns, which may be null; they go with a later one.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField(model_name='servicestate', name='run_previous_at'),
                migrations.RemoveField(model_name='servicestate', name='streak_last_at'),
            ],
        ),
        migrations.AddField(
            model_name='servicestate',
            name='before_slot',
            field=models.JSONField(null=True),
        ),
        migrations.RunSQL(
            SQL.read_text(),
            "DROP TRIGGER services_keep_former_regions ON services; DROP FUNCTION keep_former_regions()",
        ),
    ]
