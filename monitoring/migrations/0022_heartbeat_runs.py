from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0021_compressed_days'),
    ]

    operations = [
        migrations.AddField(
            model_name='heartbeat',
            name='run_overdue_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='heartbeat',
            name='runs',
            field=models.JSONField(null=True),
        ),
        migrations.AddIndex(
            model_name='heartbeat',
            index=models.Index(condition=models.Q(('run_overdue_at__isnull', False)), fields=['run_overdue_at'], name='heartbeats_run_overdue'),
        ),
    ]
