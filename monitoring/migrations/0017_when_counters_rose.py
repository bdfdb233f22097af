from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0016_time_zones_of_days")]

    operations = [
        migrations.AddField("enginecounter", "raised_at", models.DateTimeField(null=True)),
    ]
