"""`manage.py rollup`: account days again, from raw checks and runs."""

import math
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from database.batches import batches
from monitoring.accounting import day_zones, night_audit, rollup
from monitoring.accounting.day import Day, account_day
from monitoring.management import service_ids
from monitoring.models import Service, UptimeRecord
from monitoring.models.rollups import DAY_STATUSES
from monitoring.rules.calendar_days import bounds, day_of, days_between


class Command(BaseCommand):
    help = "Account days of services again (default: yesterday) and store the figures. It is safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="first", metavar="DAY", type=_day, help="first day (default: yesterday)")
        parser.add_argument("--to", dest="last", metavar="DAY", type=_day, help="last day (default: yesterday)")
        parser.add_argument("--service", metavar="ID", help="only this service")
        parser.add_argument(
            "--recount",
            action="store_true",
            help="also count compressed checks and audit their runs; slow for many days",
        )
        parser.add_argument(
            "--audit",
            action="store_true",
            help="compare recorded runs with all raw checks and stored days with the ledger, and correct differences",
        )
        parser.add_argument(
            "--rezone",
            action="store_true",
            help="account all days of another time zone again in PAGE_TIME_ZONE; continues if it was interrupted",
        )
        parser.add_argument("--dry-run", action="store_true", help="store nothing; print what would change")

    def handle(self, *args: Any, **options: Any) -> None:
        now, zone = timezone.now(), settings.PAGE_TIME_ZONE
        if options["rezone"]:
            return self._rezone(now, zone, options)
        if found := day_zones.others(zone):
            raise CommandError(f"{day_zones.words(found, zone)} {day_zones.REMEDY}")
        if options["audit"]:
            return self._audit(_services(options["service"]), now, zone)
        yesterday = day_of(now, zone) - timedelta(days=1)
        last = options["last"] or yesterday
        first = options["first"] or min(last, yesterday)
        if first > last:
            raise CommandError(f"--from {first} is after --to {last}. Swap them.")
        if bounds(last, zone)[0] > now:
            raise CommandError(f"--to {last} has not begun yet in {zone}. Enter {day_of(now, zone)} or an earlier day.")
        ids = _services(options["service"])
        days = list(days_between(first, last))
        changed = 0
        for number, day in enumerate(days, 1):
            for batch in batches(ids, rollup.BATCH):
                before = _figures(day, batch)
                if options["dry_run"]:
                    accounted = account_day(day, batch, now, zone)
                else:
                    accounted = rollup.roll_up(day, batch, now, zone, recounts=options["recount"])
                changed += self._show(before, accounted, print_each=options["dry_run"])
            self._progress(number, len(days), day)
        verb = "would change" if options["dry_run"] else "changed"
        self.stdout.write(f"{len(days)} days of {len(ids)} services accounted; {changed} figures {verb}.")

    def _audit(self, ids: Sequence[str], now: datetime, zone: tzinfo) -> None:
        """Audit services. Raises CommandError if anything differed, so that a nightly job reports it."""
        rebuilt, _number = night_audit.audit_runs(ids, now, zone)
        # Runs first: rebuilding runs requests the days that depend on them.
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
                " again; the log says what they were. Run the command again to check that nothing differs."
            )
        self.stdout.write(f"{len(ids)} services audited; nothing differs.")

    def _rezone(self, now: datetime, zone: tzinfo, options: Mapping[str, Any]) -> None:
        if any(options[name] for name in ("first", "last", "service", "recount")):
            raise CommandError(
                "--rezone covers all days of all services. Remove --from, --to, --service and --recount."
            )
        is_dry_run, names = options["dry_run"], day_zones.others(zone)
        if not names:
            self.stdout.write(f"All stored days are days of {zone}. Nothing to do.")
            return
        relabelled = 0 if is_dry_run else day_zones.prepare(now, zone)
        days, rows, changed, uncounted = day_zones.dates(now, zone), 0, 0, list[date]()
        for number, day in enumerate(days, 1):
            before = _figures(day, _services(None))
            for done in day_zones.rezone(day, now, zone, is_dry_run=is_dry_run):
                changed += self._show(before, done.days, print_each=is_dry_run)
                rows += len(done.days)
                if not done.is_recounted and day not in uncounted:
                    uncounted.append(day)
            if not is_dry_run:
                day_zones.compress_until(day, now, zone)
            self._progress(number, len(days), day)
        verb = "would be" if is_dry_run else "were"
        self.stdout.write(
            f"{len(days)} days, {rows} rows, {verb} accounted in {zone} instead of {', '.join(names)}; {changed}"
            f" figures {'would change' if is_dry_run else 'changed'}, {relabelled} sample days were relabelled."
        )
        if uncounted:
            self.stdout.write(
                f"Of {len(uncounted)} days ({uncounted[0]} to {uncounted[-1]}) raw checks are gone. Their time is"
                f" accounted in {zone}. Their counts and response times cannot be cut at other midnights: they stay"
                " those of the day in the other zone (counts_time_zone), and are left out of percentiles."
            )
        if is_dry_run:
            return
        if asked := day_zones.request_missing(min(days, default=day_of(now, zone)), now, zone):
            self.stdout.write(
                f"{asked} days of services had no row in the other calendar: the engine will account them."
            )
        if left := day_zones.others(zone):
            raise CommandError(
                f"Another process still stores days of {', '.join(left)}. Stop every process that still runs"
                " with another"
                " PAGE_TIME_ZONE, then repeat: manage.py rollup --rezone"
            )

    def _show(self, before: dict[str, Any], accounted: Sequence[Day], *, print_each: bool) -> int:
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
        """Show progress, on a terminal only."""
        if sys.stderr.isatty():
            filled = 30 * number // total
            end = "\n" if number == total else ""
            self.stderr.write(f"\r[{'#' * filled}{'.' * (30 - filled)}] {day} {number}/{total}", ending=end)


def _services(service_id: str | None) -> list[str]:
    ids = list(Service.objects.order_by("id").values_list("id", flat=True))
    if service_id is None:
        return ids
    service_ids.require([service_id], ids)
    return [service_id]


def _figures(day: date, ids: Sequence[str]) -> dict[str, tuple[str, int | None]]:
    rows = UptimeRecord.objects.filter(date=day, service__in=ids).values_list("service", "status", "uptime_percentage")
    return {id: (status, None if uptime is None else int(uptime * 100)) for id, status, uptime in rows}


def _words(figure: tuple[str, int | None] | None) -> str:
    if figure is None:
        return "nothing"
    status, hundredths = figure
    label = str(dict(DAY_STATUSES)[status])
    return label if hundredths is None else f"{label} {hundredths // 100}.{hundredths % 100:02} %"


def _day(text: str) -> date:
    return date.fromisoformat(text)
