"""`manage.py decompress`: decompress days into the raw tables, for queries in SQL."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from monitoring.checks.compressed import moving
from monitoring.checks.compressed.kinds import KINDS
from monitoring.management import service_ids
from monitoring.models import Service
from monitoring.rules.calendar_days import days_between


class Command(BaseCommand):
    help = "Decompress days of a service so that SQL finds its checks. They are compressed again the next night."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("service", metavar="ID")
        parser.add_argument(
            "--from", dest="first", metavar="DAY", type=date.fromisoformat, required=True, help="in UTC"
        )
        parser.add_argument("--to", dest="last", metavar="DAY", type=date.fromisoformat, help="default: the same day")

    def handle(self, *args: Any, **options: Any) -> None:
        service_id, first, last = options["service"], options["first"], options["last"] or options["first"]
        ids = list(Service.objects.order_by("id").values_list("id", flat=True))
        service_ids.require([service_id], ids)
        if first > last:
            raise CommandError(f"--from {first} is after --to {last}. Swap them.")
        for day in days_between(first, last):
            moving.make_room([day])
            with transaction.atomic():
                checks, requests = (moving.decompress(kind, [day], [service_id]) for kind in KINDS)
            self.stdout.write(f"{day}: {checks} checks and {requests} requests are raw")
