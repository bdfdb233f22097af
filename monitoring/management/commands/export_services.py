"""`manage.py export_services`: write all services to a file for `sync_services`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from monitoring.catalogue.services_export import export
from monitoring.models import Service


class Command(BaseCommand):
    help = "Print the services as YAML that sync_services takes back; secrets only as where they came from."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", help="ids of services; all of them where none is named")

    def handle(self, *args: Any, **options: Any) -> None:
        services = Service.objects.present().order_by("id")
        if options["ids"]:
            services = services.filter(id__in=options["ids"])
        for piece in export(services.iterator()):
            self.stdout.write(piece, ending="")
