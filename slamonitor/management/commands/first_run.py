"""`manage.py first_run`: set up a new installation; `manage.py up` calls it at every start."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.models import Role, User
from database import partitions
from database.locks import lock_in_transaction
from incidents import system_status
from monitoring.accounting import day_zones
from monitoring.catalogue.sync import Refused
from monitoring.models.raw import RAW_TABLES
from slamonitor import own_service
from slamonitor.command_line import runnable

ADMIN, ADMIN_EMAIL = "admin", "admin@localhost"


class Command(BaseCommand):
    help = (
        "Create an admin if there is no user, and monitor the status page itself if there is no"
        " service. It is safe to repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--page-url", default="http://localhost:8000", help="URL of the status page (default %(default)s)"
        )
        parser.add_argument("--rezone", action="store_true", help="then account days of another time zone again")
        parser.add_argument(
            "--demo-targets-port", type=int, metavar="PORT", help="then add sample data, with targets on this port"
        )
        parser.add_argument("--migrate", action="store_true", help="run migrations first, in the same process")

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        return {
            **super().get_check_kwargs(options),
            "databases": ["default"],
        }  # checks of the database, which `migrate` runs, too

    def handle(self, *args: Any, **options: Any) -> None:
        if options["migrate"]:
            call_command("migrate", interactive=False, verbosity=0)
        if options["rezone"]:
            call_command("rollup", rezone=True)
        elif found := day_zones.others(settings.PAGE_TIME_ZONE):
            raise CommandError(f"{day_zones.words(found, settings.PAGE_TIME_ZONE)} {day_zones.REMEDY}")
        now = timezone.now()
        for table in RAW_TABLES:
            partitions.ensure_ahead(table, now)
        try:
            password, said = first_run(f"{options['page_url'].rstrip('/')}/health", now)
        except Refused as refused:
            raise CommandError(f"--page-url: {refused}") from refused
        if said:
            self.stdout.write(said)
        if password:
            self.stdout.write(_box(password))
        if options["demo_targets_port"]:
            call_command("demo", targets_port=options["demo_targets_port"])


def first_run(health_url: str, now: datetime) -> tuple[str | None, str | None]:
    """Add the first admin and our own service if missing; return the new password and a message."""
    with transaction.atomic():
        lock_in_transaction("first run")
        password = None
        if not User.objects.exists():
            _user, password = User.objects.create_with_one_time_password(ADMIN, ADMIN_EMAIL, Role.ADMIN)
        said = own_service.keep(health_url)
        system_status.refresh(now)
    return password, said


def _box(password: str) -> str:
    lines = [
        "Sign in once with this password, then choose your own. It is not shown again.",
        "",
        f"    user name   {ADMIN}",
        f"    password    {password}",
        "",
        f"Lost it? {runnable(f'manage.py changepassword {ADMIN}')}",
    ]
    width = max(map(len, lines))
    edge = f"+{'-' * (width + 2)}+"  # in ASCII, so that every terminal shows the password
    return "\n".join([edge, *(f"| {line:<{width}} |" for line in lines), edge])
