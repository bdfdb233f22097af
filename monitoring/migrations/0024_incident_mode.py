from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0023_planned_stops"),
    ]

    operations = [
        migrations.AddField(
            model_name="service",
            name="incident_mode",
            field=models.TextField(
                choices=[
                    ("draft", "Draft an incident, which a person publishes"),
                    ("publish", "Publish an incident at once"),
                    ("off", "Draft nothing"),
                ],
                db_default="draft",
                default="draft",
                verbose_name="incidents",
            ),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(("incident_mode__in", ["draft", "publish", "off"])),
                name="services_incident_mode_known",
            ),
        ),
    ]
