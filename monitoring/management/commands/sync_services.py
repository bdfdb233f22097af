"""`manage.py sync_services FILE`: make the services what a file says."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monitoring.services_file import sync_file
from monitoring.sync import Refused
from monitoring.yaml_lines import MAX_BYTES


class Command(BaseCommand):
    help = "Create and update services from a YAML file; with any mistake in it, change nothing and say where."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the YAML file, or - for standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        name = "<stdin>" if options["file"] == "-" else options["file"]
        try:
            outcome = sync_file(_read(options["file"]))
        except Refused as refused:
            for problem in refused.problems:
                self.stderr.write(f"{name}:{problem.line}: {problem}")
            count = len(refused.problems)
            raise CommandError(f"{count} problem{'s' * (count > 1)} in {name}; nothing was changed.") from refused
        self.stdout.write(str(outcome))


def _read(path: str) -> bytes:
    """Return the bytes of the file, at most one more than are allowed."""
    try:
        if path == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"Cannot read {path}: {error.strerror}.") from error
