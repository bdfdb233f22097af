"""Diagnostics of the engine: clocks, workers, roll-ups, partitions and retention."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from database import partitions, retention
from database.models import DroppedPartition
from monitoring.accounting import day_zones
from monitoring.accounting.rollup_requests import DAY_CLOSES_AFTER
from monitoring.config import clock
from monitoring.engine.clock_check import CLOCK_DIFFERS_FROM, workers_ahead
from monitoring.engine.refused_targets import judge, judge_names, refused_targets, unresolved_targets
from monitoring.engine.workers import LATE_STAMP_AFTER, is_alive, seen_since
from monitoring.instruments.health import needed_regions
from monitoring.models import DispatchWatermark, EngineCounter, EngineWorker, RollupRequest, RollupWatermark, Service
from monitoring.models.raw import RAW_TABLES
from monitoring.rules.calendar_days import day_of
from observability.diagnostics import Finding, Table, bad, doctor, good, note, warning

ROLLUP_LATE = timedelta(hours=6)
STAMP_LATE_MS = 2_000
MOST_ROWS_SHOWN = 30
DIFFERED_LATELY = timedelta(days=7)
DIFFERENCES = {
    "runs_differed": gettext_lazy("Runs that differ from the raw checks"),
    "rows_differed": gettext_lazy("Stored days that differ from the ledger"),
}


def beat() -> Finding:
    row = DispatchWatermark.objects.first()
    if not Service.objects.monitored().exists():
        return note(_("No service is monitored, so there are no checks to dispatch."))
    return judge_beat(row, clock.now())


def judge_beat(watermark: DispatchWatermark | None, now: datetime) -> Finding:
    """Judge the age of the newest dispatch; None if there was none."""
    remedy = _("Make sure that beat and a worker for the queue “dispatch” are running. See their logs.")
    if watermark is None:
        return bad(_("No check has ever been dispatched."), remedy)
    seconds = {"seconds": round(abs(watermark.age(now).total_seconds()))}
    if watermark.is_ahead(now):
        says = _("Checks were dispatched %(seconds)s s too early, and none since then: a clock was wrong.")
        return bad(says % seconds, remedy)
    if watermark.is_late(now):
        return bad(_("No check has been dispatched for %(seconds)s s.") % seconds, remedy)
    return good(_("Checks are dispatched on time."))


def workers() -> Finding:
    return judge_workers(list(EngineWorker.objects.order_by("role", "name")), needed_regions(), clock.now())


def judge_workers(found: Sequence[EngineWorker], regions: Collection[str], now: datetime) -> Finding:
    """Judge whether a worker records results, and every region in use has a probe worker."""
    alive = [worker for worker in found if is_alive(worker, now)]
    table = Table(
        columns=[_("Worker"), _("Role"), _("Region"), _("Alive"), _("Release")],
        rows=[
            [
                worker.name,
                worker.role,
                worker.region or "",
                _("yes") if worker in alive else _("no"),
                str((worker.facts or {}).get("version", "")),
            ]
            for worker in found[:MOST_ROWS_SHOWN]
        ],
        numbers_from=5,
    )
    served = {region for worker in alive for region in (worker.region or "").split(",")}
    remedy = _("Start one: manage.py run probe --region %(region)s; docs/operations.md, “Scale”.")
    if missing := sorted(set(regions) - served):
        words = {"regions": ", ".join(missing), "region": missing[0]}
        return bad(_("No probe worker runs in: %(regions)s") % words, remedy % words, table)
    if not any(worker.role == "engine" for worker in alive):
        return bad(_("No worker records results."), _("Start one: manage.py run engine"), table)
    if not any(worker.role == "dispatch" for worker in alive):
        says = _("No process is dedicated to dispatching checks.")
        return bad(says, _("Start one: manage.py run dispatch; CHANGELOG.md, “Upgrading”."), table)
    return good(_("%(count)s workers are alive.") % {"count": len(alive)}, table)


def clocks() -> Finding:
    """Compare the clocks of the workers and of this process with the broker's."""
    now = clock.now()
    behind_ms = {
        each.name: int((each.facts or {}).get("behind_ms", 0)) for each in seen_since(now - LATE_STAMP_AFTER, now)
    }
    ours = clock.of_broker().wall_ahead()
    return judge_clocks(workers_ahead() | ({_("this process"): ours} if ours is not None else {}), behind_ms)


def judge_clocks(ahead: Mapping[str, timedelta], behind_ms: Mapping[str, int]) -> Finding:
    """Judge how far clocks are ahead of the broker's, and how long each newest stamp took to arrive."""
    if off := {name: by for name, by in ahead.items() if abs(by) >= CLOCK_DIFFERS_FROM}:
        says = _("Clocks differ from the broker's: %(clocks)s") % {
            "clocks": ", ".join(f"{name} ({by.total_seconds():+.1f} s)" for name, by in off.items())
        }
        remedy = _(
            "Run chrony or systemd-timesyncd on these machines: timedatectl set-ntp true. The engine uses"
            " the broker's clock."
        )
        return warning(says, remedy)
    if late := {name: ms for name, ms in behind_ms.items() if abs(ms) > STAMP_LATE_MS}:
        says = _("Messages from workers arrive late: %(workers)s") % {
            "workers": ", ".join(f"{name} ({ms / 1000:+.1f} s)" for name, ms in late.items())
        }
        return warning(says, _("The queue “results” is falling behind: docs/operations.md, “Scale”."))
    return good(_("All clocks agree with the broker's within two seconds."))


def rollups() -> Finding:
    now, zone = timezone.now(), settings.PAGE_TIME_ZONE
    if found := day_zones.others(zone):
        says = _("Stored days were accounted in a time zone other than %(zone)s: %(others)s")
        return bad(says % {"zone": zone, "others": ", ".join(found)}, _("Run: manage.py rollup --rezone"))
    ready = RollupRequest.objects.filter(Q(not_before=None) | Q(not_before__lte=now))
    row = RollupWatermark.objects.first()
    late = day_of(now - DAY_CLOSES_AFTER - ROLLUP_LATE, zone) - timedelta(days=1)
    return judge_rollups(
        waiting=ready.values("date", "service").distinct().count(),  # the same one may be requested several times
        oldest=ready.order_by("date").values_list("date", flat=True).first(),
        is_planned=row is None or row.planned_until >= late,
    )


def judge_rollups(*, waiting: int, oldest: date | None, is_planned: bool) -> Finding:
    """Judge the days that wait for their roll-up, and whether new days were requested within hours of their end."""
    remedy = _(
        "Make sure that beat and a worker for the queue “rollups” are running. To run it manually:"
        " manage.py rollup --from DAY --to DAY"
    )
    if not is_planned:
        return bad(_("Yesterday has not been accounted yet."), remedy)
    if oldest is not None:
        says = _("%(count)s days of services are waiting to be accounted; the oldest is %(day)s.")
        return note(says % {"count": waiting, "day": oldest.isoformat()})
    return good(_("All days are accounted."))


def days_ahead() -> Finding:
    today = timezone.now().astimezone(UTC).date()
    return judge_partitions({table: partitions.existing(table) for table in RAW_TABLES}, today)


def judge_partitions(found: Mapping[str, Collection[date]], today: date) -> Finding:
    """Judge whether today and the coming days have a partition; in the past only days with checks have one."""
    columns = [_("Table"), _("Partitions"), _("Oldest"), _("Newest"), _("Missing days")]
    rows = [[name, str(len(days)), *_span(days), str(_holes(days))] for name, days in found.items()]
    table = Table(columns=columns, rows=rows)
    remedy = _(
        "Make sure that beat and a worker for the queue “rollups” are running. It creates partitions every hour."
    )
    if missing := [name for name, days in found.items() if today not in days]:
        return bad(_("There is no partition for today: %(tables)s") % {"tables": ", ".join(missing)}, remedy, table)
    if ending := [name for name, days in found.items() if today + timedelta(days=1) not in days]:
        return warning(
            _("There is no partition for tomorrow: %(tables)s") % {"tables": ", ".join(ending)}, remedy, table
        )
    return good(_("Today and the coming days have their partitions."), table)


def retained() -> Finding:
    now = timezone.now()
    due = {table.name: retention.due(table, now) for table in retention.registered()}
    held = {t.name: [day for day in due[t.name] if t.unfinished(day)] for t in retention.registered()}
    return judge_retention({t.name: t.keep_days() for t in retention.registered()}, due, held, _newest_drops(), now)


def judge_retention(
    keep_days: Mapping[str, int],
    due: Mapping[str, Sequence[date]],
    held: Mapping[str, Sequence[date]],
    dropped: Mapping[str, date],
    now: datetime,
) -> Finding:
    """Judge days that should have been dropped: those that wait for the roll-up, and others."""
    columns = [_("Table"), _("Kept, days"), _("Due to be dropped"), _("Held"), _("Last dropped")]
    rows = [
        [name, str(days), str(len(due[name])), str(len(held[name])), f"{dropped[name]}" if name in dropped else ""]
        for name, days in keep_days.items()
    ]
    table = Table(columns=columns, rows=rows)
    if stuck := [day for days in held.values() for day in days]:
        says = _("%(count)s old days are kept because they are not rolled up; the oldest is %(day)s.")
        remedy = _("They are requested every night. To do it manually: manage.py rollup --from %(day)s --to %(day)s")
        words = {"count": len(stuck), "day": min(stuck).isoformat()}
        return warning(says % words, remedy % words, table)
    overdue = [name for name, days in due.items() if days and days[0] < _expected(keep_days[name], now)]
    if overdue:
        says = _("Old days were not dropped: %(tables)s") % {"tables": ", ".join(overdue)}
        return warning(
            says, _("A long transaction, such as a dump, may lock them. Retention tries again at 03:00."), table
        )
    return good(_("No data is kept longer than configured."), table)


def _expected(keep_days: int, now: datetime) -> date:
    """Return the first day that may still be stored, with two nights' grace."""
    return now.astimezone(UTC).date() - timedelta(days=keep_days + 2)


def figures() -> Finding:
    lately = EngineCounter.objects.filter(name__in=DIFFERENCES, raised_at__gte=timezone.now() - DIFFERED_LATELY)
    return judge_figures({row.name: row.raised_at for row in lately if row.raised_at})


def judge_figures(differed_at: Mapping[str, datetime]) -> Finding:
    """Judge by recently increased counters whether an audit found wrong runs or stored days."""
    if not differed_at:
        return good(_("All audited runs and stored days match the raw checks."))
    table = Table(
        columns=[_("Difference"), _("Last found")],
        rows=[[str(DIFFERENCES[name]), at.isoformat(timespec="seconds")] for name, at in sorted(differed_at.items())],
    )
    says = _("An audit found figures that did not match the raw checks, and corrected them.")
    remedy = _("Search the engine's log for “differ”, then audit everything: manage.py rollup --audit")
    return warning(says, remedy, table)


def _newest_drops() -> dict[str, date]:
    rows = DroppedPartition.objects.order_by("table_name", "-day").distinct("table_name")
    return dict(rows.values_list("table_name", "day"))


def _span(days: Collection[date]) -> tuple[str, str]:
    return (min(days).isoformat(), max(days).isoformat()) if days else ("", "")


def _holes(days: Collection[date]) -> int:
    return (max(days) - min(days)).days + 1 - len(days) if days else 0


AREA = "engine"
doctor.register("figures", gettext_lazy("Audit of figures"), figures, area=AREA)
doctor.register("beat", gettext_lazy("Beat"), beat, area=AREA)
doctor.register("workers", gettext_lazy("Workers"), workers, area=AREA)
doctor.register("worker_clocks", gettext_lazy("Clocks of the workers"), clocks, area=AREA)
doctor.register("targets", gettext_lazy("Addresses"), lambda: judge(refused_targets(timezone.now())), area=AREA)
doctor.register("names", gettext_lazy("Names"), lambda: judge_names(unresolved_targets(timezone.now())), area=AREA)
doctor.register("rollups", gettext_lazy("Daily figures"), rollups, area=AREA)
doctor.register("partitions", gettext_lazy("Partitions"), days_ahead, area=AREA)
doctor.register("retention", gettext_lazy("Retention"), retained, area=AREA)
