"""`manage.py doctor`: examine the installation, print findings with remedies, and exit with a status for cron."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from observability import diagnostics
from observability.diagnostics import Examined, Finding, Table, Verdict
from slamonitor.command_line import runnable
from slamonitor.doctor.findings import AREAS, by_area

SIGNS = {Verdict.GOOD: "ok  ", Verdict.NOTE: "note", Verdict.WARNING: "WARN", Verdict.BAD: "BAD "}
EXIT = {Verdict.GOOD: 0, Verdict.NOTE: 0, Verdict.WARNING: 1, Verdict.BAD: 2}  # as in Nagios
INDENT = " " * 6


class Command(BaseCommand):
    help = (
        "Check database, queues, workers, partitions, retention and settings, and print a verdict and a"
        " remedy for each. Exit status: 0 if all is well, 1 for warnings, 2 for problems. Changes"
        " nothing."
    )
    # It reports all problems itself, instead of stopping at the first.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="CHECK", help="only these checks (default: all)")
        parser.add_argument("--quiet", action="store_true", help="print only warnings and problems")
        parser.add_argument("--tables", action="store_true", help="also print the data behind the findings")
        parser.add_argument("--json", action="store_true", help="print everything as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        found = diagnostics.doctor.examine()
        known = [each.check.name for each in found]
        if unknown := [name for name in options["names"] if name not in known]:
            raise CommandError(f"No check is named {unknown[0]!r}. Available: {', '.join(known)}", returncode=3)
        chosen = [each for each in found if not options["names"] or each.check.name in options["names"]]
        if options["json"]:
            self.stdout.write(json.dumps([as_json(each) for each in chosen], indent=2, ensure_ascii=False))
        else:
            self._print(chosen, quiet=options["quiet"], tables=options["tables"])
        if status := EXIT[diagnostics.worst(chosen)]:
            sys.exit(status)

    def _print(self, found: list[Examined], *, quiet: bool, tables: bool) -> None:
        shown = [each for each in found if not quiet or EXIT[each.finding.verdict]]
        for area, group in by_area(shown).items():
            self.stdout.write(str(AREAS.get(area, area)))
            for each in group:
                self._print_one(each, each.finding, tables=tables)

    def _print_one(self, each: Examined, finding: Finding, *, tables: bool) -> None:
        style = {Verdict.GOOD: self.style.SUCCESS, Verdict.WARNING: self.style.WARNING, Verdict.BAD: self.style.ERROR}
        sign = style.get(finding.verdict, str)(SIGNS[finding.verdict])
        self.stdout.write(f"  {sign}  {each.check.title}: {finding.says}")
        if finding.remedy:
            self.stdout.write(f"{INDENT}  → {runnable(str(finding.remedy))}")
        if tables and finding.table:
            for line in lines_of(finding.table):
                self.stdout.write(f"{INDENT}  {line}".rstrip())


def as_json(each: Examined) -> dict[str, Any]:
    table = each.finding.table
    return {
        "name": each.check.name,
        "area": each.check.area,
        "verdict": each.finding.verdict,
        "says": each.finding.says,
        "remedy": each.finding.remedy and runnable(str(each.finding.remedy)),
        "table": table and {"columns": list(table.columns), "rows": [list(row) for row in table.rows]},
    }


def lines_of(table: Table) -> list[str]:
    """Return the lines of a table in columns."""
    rows = [list(table.columns), *map(list, table.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    return ["  ".join(_cell(row, c, widths[c], c >= table.numbers_from) for c in range(len(row))) for row in rows]


def _cell(row: list[str], column: int, width: int, is_number: bool) -> str:
    return row[column].rjust(width) if is_number else row[column].ljust(width)
