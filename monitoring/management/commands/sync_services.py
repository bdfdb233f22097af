"""`manage.py sync_services FILE`: change services as a file says."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monitoring.catalogue.services_file import sync_file
from monitoring.catalogue.sync import Outcome, Refused
from monitoring.config.yaml_lines import MAX_BYTES
from monitoring.progress import Progress


class Command(BaseCommand):
    help = (
        "Create and update services from a YAML file. If the file contains an error, report its line"
        " and change nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the YAML file, or - for standard input")
        parser.add_argument("--dry-run", action="store_true", help="show what would change without changing anything")
        parser.add_argument("--prune", action="store_true", help="archive services that are not in the file")

    def handle(self, *args: Any, **options: Any) -> None:
        name = "<stdin>" if options["file"] == "-" else options["file"]
        progress, is_dry = Progress(sys.stderr), options["dry_run"]
        try:
            outcome = sync_file(_read(options["file"]), prune=options["prune"], is_dry=is_dry, progress=progress)
        except Refused as refused:
            for problem in refused.problems:
                self.stderr.write(f"{name}:{problem.line}: {problem}")
            count = len(refused.problems)
            raise CommandError(f"{count} problem{'s' * (count > 1)} in {name}; nothing was changed.") from refused
        finally:
            progress.end()
        for warning in outcome.warnings:
            self.stderr.write(self.style.WARNING(f"{name}:{warning.line}: warning: {warning}"))
        if not is_dry:
            self.stdout.write(str(outcome))
            return
        for line in self._plan(outcome):
            self.stdout.write(line)

    def _plan(self, outcome: Outcome) -> Iterator[str]:
        """Yield what would be done, like a diff."""
        for id in outcome.created:
            yield self.style.SUCCESS(f"+ {id}")
        for id, differences in outcome.updated.items():
            yield self.style.WARNING(f"~ {id}")
            yield from (f"    {difference}" for difference in differences)
        for id in outcome.archived:
            yield self.style.ERROR(f"- {id}")
        for section in outcome.sections:
            yield from (self.style.SUCCESS(f"+ {section.key}: {id}") for id in section.created)
            for id, words in section.updated.items():
                yield self.style.WARNING(f"~ {section.key}: {id}")
                yield from (f"    {each}" for each in words)
            yield from (self.style.ERROR(f"- {section.key}: {id}") for id in section.removed)
        counts = (
            f"{len(outcome.created)} to create, {len(outcome.updated)} to update, {len(outcome.archived)} to archive"
        )
        yield f"{counts}, {outcome.unchanged} unchanged; nothing was changed."


def _read(path: str) -> bytes:
    """Return the bytes of the file, at most one more than allowed."""
    try:
        if path == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"Cannot read {path}: {error.strerror}.") from error
