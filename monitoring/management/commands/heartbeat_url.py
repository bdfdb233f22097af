"""`manage.py heartbeat_url ID`: create the push URL of a heartbeat and show it once."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from monitoring.engine import heartbeats
from monitoring.models import Service

FORMS = {"own": "monitoring:heartbeat", "healthchecks": "monitoring:ping", "uptime-kuma": "monitoring:push"}


class Command(BaseCommand):
    help = "Create the push URL of a heartbeat and print it. It cannot be shown again because only its hash is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", help="the service's id")
        parser.add_argument(
            "--rotate", action="store_true", help="create a new URL; the old one stops working immediately"
        )
        parser.add_argument(
            "--form", choices=FORMS, default="own", help="form of the URL, for jobs that know another tool"
        )
        parser.add_argument(
            "--page-url",
            default=settings.PAGE_URL,
            help="URL of the status page as seen from the job (default: PAGE_URL, which is now %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        service = Service.objects.present().filter(id=options["id"]).first()
        if service is None:
            raise CommandError(f"There is no service {options['id']!r}.")
        if service.kind != heartbeats.KIND:
            raise CommandError(f"{service.id} is not a heartbeat: it is checked by {service.kind}.")
        if heartbeats.has_door(service) and not options["rotate"]:
            raise CommandError(
                f"{service.id} already has a push URL. It cannot be shown again because only its hash is stored."
                " Use --rotate to create a new one; the old one then stops working immediately."
            )
        path = reverse(FORMS[options["form"]], args=[heartbeats.open_door(service)])
        self.stdout.write(f"{options['page_url'].rstrip('/')}{path}")
