"""`manage.py seed`: add the sample of the specification."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.utils import timezone

from monitoring.catalogue.sync import Refused
from slamonitor.seeding import MAIL_DOMAIN, Seeded, seed


class Command(BaseCommand):
    help = "Add five sample services, a user of each role and 90 days of sample uptime; what is there stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--activate", action="store_true", help="measure the services, too (they are off otherwise)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            seeded = seed(timezone.now(), activate=options["activate"])
        except Refused as refused:
            raise CommandError(f"{refused} Nothing was changed.") from refused
        tell(seeded, self.stdout)


def tell(seeded: Seeded, out: OutputWrapper) -> None:
    """Print what was added, and the passwords for the only time."""
    if not seeded:
        out.write("Everything is there already; nothing was changed.")
    if seeded.created:
        out.write(f"{len(seeded.created)} services created: {', '.join(seeded.created)}")
    if seeded.activated:
        out.write(f"{len(seeded.activated)} services activated: {', '.join(seeded.activated)}")
    if seeded.sample_days:
        out.write(f"{seeded.sample_days} days of sample uptime added, marked as sample")
    if seeded.passwords:
        tell_passwords(seeded.passwords, out)


def tell_passwords(passwords: Mapping[str, str], out: OutputWrapper) -> None:
    out.write("Users created. Their passwords are shown only now, and must be changed at the first sign-in:")
    for name, password in passwords.items():
        email = f"{name}@{MAIL_DOMAIN}"
        out.write(f"  {name:<10} {email:<30} {password}")
