"""`manage.py demo`: add the sample data of `manage.py up --demo` to an installation."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from monitoring.models import Service
from slamonitor.demo.adding import OtherServices, add_demo
from slamonitor.demo.sample_services import MARK
from slamonitor.seeding import DAYS, password_lines


class Command(BaseCommand):
    help = "Add sample services with local targets, 90 days of sample checks, and incidents. It is safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--targets-port", type=int, required=True, help="port of the targets on 127.0.0.1")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.PROBE_ALLOW_PRIVATE:
            raise CommandError("PROBE_ALLOW_PRIVATE is off, but the targets of the demo are on 127.0.0.1. Turn it on.")
        began = time.monotonic()
        if not Service.objects.filter(metadata__has_key=MARK).exists():
            self.stdout.write(f"Adding {DAYS} days of sample data, which takes about half a minute")
        try:
            added = add_demo(options["targets_port"], timezone.now())
        except OtherServices as refused:
            raise CommandError(str(refused)) from refused
        if added.services:
            self.stdout.write(
                f"{added.services} sample services with {added.checks} sample checks of the last {DAYS} days and"
                f" {added.incidents} incidents added in {time.monotonic() - began:.0f} s, all marked as sample"
            )
        if added.moved:
            self.stdout.write(f"{added.moved} sample services moved to port {options['targets_port']}")
        if added.passwords:
            self.stdout.write("\n".join(password_lines(added.passwords)))
