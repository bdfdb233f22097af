"""`manage.py seed`: add the sample data of the specification."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from monitoring.catalogue.sync import Refused
from slamonitor.seeding import seed


class Command(BaseCommand):
    help = "Add five sample services, a user for each role and 90 days of sample uptime. Existing data is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--activate", action="store_true", help="also check the services (default: paused)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            seeded = seed(timezone.now(), activate=options["activate"])
        except Refused as refused:
            raise CommandError(f"{refused} Nothing was changed.") from refused
        self.stdout.write("\n".join(seeded.lines()))
