from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0017_restated_in_substance")]

    operations = [
        migrations.AddField("enginecounter", "raised_at", models.DateTimeField(null=True)),
    ]
