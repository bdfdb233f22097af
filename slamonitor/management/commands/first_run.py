"""`manage.py first_run`: make a new installation usable; `manage.py up` calls it at every start."""

import socket
from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

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
from monitoring.catalogue.sync import Refused, Wanted, sync
from monitoring.models import Service
from monitoring.models.raw import RAW_TABLES
from monitoring.probes.net.address import AddressPolicy, refusal

ADMIN, ADMIN_EMAIL = "admin", "admin@localhost"
OWN_SERVICE = "sla-monitor"
MARK = "first_run_url"  # in the service's metadata: the URL that was given to it here
INTERVAL_MS = 10_000


class Command(BaseCommand):
    help = "Where there is no user, create an admin; where there is no service, monitor the monitor. Repeats in peace."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--page-url", default="http://localhost:8000", help="where the status page is (default %(default)s)"
        )
        parser.add_argument("--rezone", action="store_true", help="then bring days of another time zone into ours")
        parser.add_argument("--migrate", action="store_true", help="migrate first, in one process less")

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        return {**super().get_check_kwargs(options), "databases": ["default"]}  # as `migrate` does, for both at once

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


def first_run(health_url: str, now: datetime) -> tuple[str | None, str | None]:
    """Add the admin and the service of our own where they belong; return the new password and what else was done."""
    with transaction.atomic():
        lock_in_transaction("first run")
        password = None
        if not User.objects.exists():
            _user, password = User.objects.create_with_one_time_password(ADMIN, ADMIN_EMAIL, Role.ADMIN)
        said = _monitor_ourselves(health_url)
        system_status.refresh(now)
    return password, said


def _monitor_ourselves(health_url: str) -> str | None:
    """Add the service when there is none, archived ones included; let its URL follow unless somebody changed it."""
    mark = {"endpoint_url": health_url, "metadata": {MARK: health_url}}
    if not Service.objects.exists():
        if not _may_be_probed(health_url):
            return (
                f"Not monitoring ourselves: PROBE_ALLOW_PRIVATE=false keeps checks away from {health_url}."
                " Add a service with the public address of the page."
            )
        values = {"name": "SLA Monitor", "description": "This monitor itself.", "check_interval": INTERVAL_MS}
        sync([Wanted(id=OWN_SERVICE, values={**values, **mark})])
        return f"Monitoring ourselves every {INTERVAL_MS // 1000} s at {health_url}"
    own = Service.objects.present().filter(id=OWN_SERVICE).first()
    if own is None or own.endpoint_url == health_url or own.metadata.get(MARK) != own.endpoint_url:
        return None
    sync([Wanted(id=OWN_SERVICE, values={**mark, "metadata": {**own.metadata, MARK: health_url}})])
    return f"Monitoring ourselves at {health_url} from now on"


def _may_be_probed(url: str) -> bool:
    """Say whether our own settings let checks go there; otherwise our first service would never be measured."""
    if settings.PROBE_ALLOW_PRIVATE:
        return True
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return False  # a name of a private network that this process does not know
    policy = AddressPolicy(allow_private=False)
    return any(refusal(str(address[0]), policy) is None for *_about, address in found)


def _box(password: str) -> str:
    lines = [
        "Sign in once with this password, then choose your own. It is not shown again.",
        "",
        f"    user name   {ADMIN}",
        f"    password    {password}",
        "",
        f"Lost it? manage.py changepassword {ADMIN}",
    ]
    width = max(map(len, lines))
    edge = f"+{'-' * (width + 2)}+"  # plain ASCII: a terminal that cannot show it must not swallow the password
    return "\n".join([edge, *(f"| {line:<{width}} |" for line in lines), edge])
