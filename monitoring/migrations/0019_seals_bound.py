"""Bind the seals of secrets to service, origin and key; one that no key opens stays, and is named."""

import sys

from django.db import migrations

from monitoring.config import sealing
from monitoring.probes.http.requests import origin_of
from monitoring.probes.secrets import Place


def bind(apps, schema_editor):
    services = apps.get_model("monitoring", "Service").objects
    for service in services.exclude(check_settings={}).order_by("id").iterator():
        try:
            settings = sealing.bound(service.check_settings, Place(service.id, origin_of(service.endpoint_url or "")))
        except sealing.Unsealable:
            words = "no key of this process opens its secrets. Save it once more where SECRETS_KEY is set."
            print(f"\n  service {service.id}: {words}", file=sys.stderr)
            continue
        if settings != service.check_settings:
            services.filter(id=service.id).update(check_settings=settings)


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0018_when_counters_rose")]

    operations = [migrations.RunPython(bind, migrations.RunPython.noop, elidable=True)]
