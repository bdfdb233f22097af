"""`manage.py create_token NAME --for "what it is for"`: create an API token without the admin."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import tokens
from accounts.models import User
from accounts.permissions import Scope


class Command(BaseCommand):
    help = "Create an API token for a user and print it to standard output. It is not stored and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="owner of the token, whose permissions it cannot exceed")
        parser.add_argument("--for", dest="name", required=True, help="purpose, for example “deploy script”")
        parser.add_argument("--scope", choices=Scope.values, default=Scope.READ.value, help="default: read")
        parser.add_argument(
            "--days",
            type=int,
            default=tokens.USUAL_DAYS,
            help=f"days until it expires, 1 to {tokens.LONGEST_DAYS}; default: 90",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            names = ", ".join(User.objects.order_by("username").values_list("username", flat=True)[:10])
            known = f"Available: {names}." if names else "There are none yet; add one with: manage.py first_run"
            raise CommandError(f"There is no user {options['username']!r}. {known}")
        if not 1 <= options["days"] <= tokens.LONGEST_DAYS:
            raise CommandError(f"--days {options['days']}: enter a number from 1 to {tokens.LONGEST_DAYS}.")
        try:
            token, text = tokens.make(user, options["name"], options["scope"], days=options["days"], now=timezone.now())
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stderr.write(f"{token}, scope {token.scope}, expires {token.expires_at:%Y-%m-%d}. It is not shown again:")
        self.stdout.write(text)
