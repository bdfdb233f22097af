from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0014_slots_folded_again")]

    operations = [
        migrations.AddField("enginecounter", "raised_at", models.DateTimeField(null=True)),
    ]
