"""`manage.py export_services`: write all services to a file for `sync_services`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from monitoring.catalogue.sections import sections
from monitoring.catalogue.services_export import export
from monitoring.management import service_ids
from monitoring.models import Service


class Command(BaseCommand):
    help = (
        "Print the services as YAML for sync_services. Secrets are replaced by the variables that they were read from."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", help="ids of services (default: all)")

    def handle(self, *args: Any, **options: Any) -> None:
        services = Service.objects.present().order_by("id")
        if options["ids"]:
            service_ids.require(options["ids"], list(services.values_list("id", flat=True)))
            services = services.filter(id__in=options["ids"])
        for piece in export(services.iterator()):
            self.stdout.write(piece, ending="")
        if not options["ids"]:
            for section in sections.values():
                for piece in section.export():
                    self.stdout.write(piece, ending="")
