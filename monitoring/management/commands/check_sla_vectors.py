"""`manage.py check_sla_vectors FILE…`: compare the accounting with known figures. Needs no database."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monitoring.rules.vectors import differences


class Command(BaseCommand):
    help = (
        "Run vector files through the uptime calculation and print every difference. The exit status is"
        " 1 if there are any."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help='JSON: {"vectors": [...]}')

    def handle(self, *args: Any, **options: Any) -> None:
        failed = total = 0
        for file in options["files"]:
            for vector in _read(file):
                total += 1
                try:
                    found = differences(vector)
                except (KeyError, ValueError, TypeError) as error:
                    found = [f"not in the documented format: {error!r}"]
                if found:
                    failed += 1
                    self.stdout.write(f"{file}: {vector.get('name', 'without a name')} ({vector.get('why', '')})")
                    self.stdout.writelines(f"    {line}" for line in found)
        if failed:
            raise CommandError(f"{failed} of {total} vectors differ.")
        self.stdout.write(f"{total} vectors agree.")


def _read(file: str) -> list[dict[str, Any]]:
    try:
        return list(json.loads(Path(file).read_text(encoding="utf-8"))["vectors"])
    except OSError as error:
        raise CommandError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f'{file}: not a vector file; write {{"vectors": [...]}}. {error!r}') from error
