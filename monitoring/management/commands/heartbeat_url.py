"""`manage.py heartbeat_url ID`: create the push URL of a heartbeat and show it once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from monitoring.engine import heartbeats
from monitoring.models import Service


class Command(BaseCommand):
    help = "Make the push URL of a heartbeat and print it. It is shown this once: only a hash of it is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", help="the service's id")
        parser.add_argument("--rotate", action="store_true", help="make a new URL; the old one stops working at once")
        parser.add_argument(
            "--page-url", default="http://localhost:8000", help="where the page is reached from the job"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        service = Service.objects.present().filter(id=options["id"]).first()
        if service is None:
            raise CommandError(f"There is no service {options['id']!r}.")
        if service.kind != heartbeats.KIND:
            raise CommandError(f"{service.id} is no heartbeat: it is checked by {service.kind}.")
        if heartbeats.has_door(service) and not options["rotate"]:
            raise CommandError(
                f"{service.id} has a push URL, which was shown when it was made; only its hash is kept."
                " With --rotate a new one is made, and the old one stops working at once."
            )
        path = reverse("monitoring:heartbeat", args=[heartbeats.open_door(service)])
        self.stdout.write(f"{options['page_url'].rstrip('/')}{path}")
