"""`manage.py rollup`: account days again, from raw checks and runs."""

import math
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from monitoring import night_audit, rollup
from monitoring.calendar_days import bounds, day_of, days_between
from monitoring.models import Service, UptimeRecord
from monitoring.wording import did_you_mean


class Command(BaseCommand):
    help = "Account days of services again, by default yesterday, and store the figures; repeating it changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="first", metavar="DAY", type=_day, help="first day (default: yesterday)")
        parser.add_argument("--to", dest="last", metavar="DAY", type=_day, help="last day (default: yesterday)")
        parser.add_argument("--service", metavar="ID", help="only this service")
        parser.add_argument(
            "--recount", action="store_true", help="count folded checks, too, and audit their runs; slow for many days"
        )
        parser.add_argument(
            "--audit",
            action="store_true",
            help="hold the recorded runs to every raw check and the stored days to the ledger; mend what differs",
        )
        parser.add_argument("--dry-run", action="store_true", help="store nothing; print what would change")

    def handle(self, *args: Any, **options: Any) -> None:
        now, zone = timezone.now(), settings.PAGE_TIME_ZONE
        if options["audit"]:
            return self._audit(_services(options["service"]), now, zone)
        yesterday = day_of(now, zone) - timedelta(days=1)
        last = options["last"] or yesterday
        first = options["first"] or min(last, yesterday)
        if first > last:
            raise CommandError(f"--from {first} is after --to {last}. Swap them.")
        if bounds(last, zone)[0] > now:
            raise CommandError(f"--to {last} has not begun yet in {zone}. Write {day_of(now, zone)} or an earlier day.")
        ids = _services(options["service"])
        days = list(days_between(first, last))
        changed = 0
        for number, day in enumerate(days, 1):
            for start in range(0, len(ids), rollup.BATCH):
                batch = ids[start : start + rollup.BATCH]
                before = _figures(day, batch)
                if options["dry_run"]:
                    accounted = rollup.account_day(day, batch, now, zone)
                else:
                    accounted = rollup.roll_up(day, batch, now, zone, recounts=options["recount"])
                changed += self._show(before, accounted, print_each=options["dry_run"])
            self._progress(number, len(days), day)
        verb = "would change" if options["dry_run"] else "changed"
        self.stdout.write(f"{len(days)} days of {len(ids)} services accounted; {changed} figures {verb}.")

    def _audit(self, ids: Sequence[str], now: datetime, zone: tzinfo) -> None:
        """Raises CommandError where anything differed, so that who calls it at night comes to know."""
        rebuilt, _number = night_audit.audit_runs(ids, now, zone)
        # Runs first: days that depend on rebuilt ones are asked for by that already.
        rollup.work_off_all(zone, budget_s=math.inf)
        differences, _number = night_audit.audit_rows(ids, now, zone)
        for id in rebuilt:
            self.stdout.write(f"{id}: recorded runs differed from the raw checks and were rebuilt")
        for each in differences:
            self.stdout.write(f"{each.service_id} {each.date}: the stored day differed from the ledger")
        rollup.work_off_all(zone, budget_s=math.inf)
        if rebuilt or differences:
            raise CommandError(
                f"Runs of {len(rebuilt)} services and {len(differences)} stored days differed. They have been accounted"
                " again; the log says what they were. Run it once more to see that nothing differs now."
            )
        self.stdout.write(f"{len(ids)} services audited; nothing differs.")

    def _show(self, before: dict[str, Any], accounted: Sequence[rollup.Day], *, print_each: bool) -> int:
        changed = 0
        for day in accounted:
            new = (str(day.status), day.account.figures.uptime)
            old = before.get(day.service.id)
            if new != old:
                changed += 1
                if print_each:
                    self.stdout.write(f"{day.date} {day.service.id}: {_words(old)} → {_words(new)}")
        return changed

    def _progress(self, number: int, total: int, day: date) -> None:
        """Show how far it is, on a terminal only."""
        if sys.stderr.isatty():
            filled = 30 * number // total
            end = "\n" if number == total else ""
            self.stderr.write(f"\r[{'#' * filled}{'.' * (30 - filled)}] {day} {number}/{total}", ending=end)


def _services(service_id: str | None) -> list[str]:
    ids = list(Service.objects.order_by("id").values_list("id", flat=True))
    if service_id is None:
        return ids
    if service_id not in ids:
        raise CommandError(f"No service has the id {service_id!r}. {did_you_mean(service_id, ids)}")
    return [service_id]


def _figures(day: date, ids: Sequence[str]) -> dict[str, tuple[str, int | None]]:
    rows = UptimeRecord.objects.filter(date=day, service__in=ids).values_list("service", "status", "uptime_percentage")
    return {id: (status, None if uptime is None else int(uptime * 100)) for id, status, uptime in rows}


def _words(figure: tuple[str, int | None] | None) -> str:
    if figure is None:
        return "nothing"
    status, hundredths = figure
    return status if hundredths is None else f"{status} {hundredths // 100}.{hundredths % 100:02} %"


def _day(text: str) -> date:
    return date.fromisoformat(text)
