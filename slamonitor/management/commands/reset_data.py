"""`manage.py reset_data`: delete all data and seed again."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from slamonitor.seeding import COUNTED_ROWS, reset, rows_by_table


class Command(BaseCommand):
    help = "Delete ALL data, then add sample data like `manage.py seed`. If DEBUG is off, --force is required."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--force", action="store_true", help="delete even if DEBUG is off")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG and not options["force"]:
            raise CommandError(
                f"DEBUG is off, so this looks like production. It would delete {_contents()}. Nothing was deleted;"
                " to delete it anyway: manage.py reset_data --force"
            )
        try:
            seeded = reset(timezone.now())
        except OperationalError as error:
            why = str(error).partition("\n")[0]
            raise CommandError(f"Nothing was deleted: {why}. Stop the monitor, then try again.") from error
        self.stdout.write("All data deleted.")
        self.stdout.write("\n".join(seeded.lines()))


def _contents() -> str:
    rows = rows_by_table()
    told = (f"{count}{' or more' * (count == COUNTED_ROWS)} of {table}" for table, count in rows.items())
    return f"these rows of the database {settings.DATABASES['default']['NAME']}: {', '.join(told) or 'none'}"
