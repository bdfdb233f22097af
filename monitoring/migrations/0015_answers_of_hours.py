"""Count the answers of an hour, whose times are summed: an average over good checks alone left failing answers out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0014_slots_folded_again")]

    operations = [
        migrations.AddField("servicehour", "answered_count", models.IntegerField(null=True)),
    ]
