"""The diagnostics of `slamonitor` itself; apps register theirs in addition (`observability/diagnostics.py`)."""

from collections.abc import Sequence

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from observability.diagnostics import Examined, doctor
from slamonitor.doctor import activity, broker, process, server, space
from slamonitor.housekeeping import backup_standing

AREAS = {  # in the order of the page; other areas come last
    "database": _("PostgreSQL"),
    "engine": _("Engine"),
    "broker": _("Queues"),
    "backups": _("Backups"),
    "process": _("This installation"),
}


def by_area(found: Sequence[Examined]) -> dict[str, list[Examined]]:
    """Group findings by area, in the order of `AREAS`; other areas come last."""
    names = [*AREAS, *dict.fromkeys(each.check.area for each in found if each.check.area not in AREAS)]
    grouped = {name: [each for each in found if each.check.area == name] for name in names}
    return {name: group for name, group in grouped.items() if group}


doctor.register("database", _("Connection"), server.answers, area="database", needs=())
doctor.register("database_version", _("Version"), server.version, area="database")
doctor.register("migrations", _("Migrations"), server.migrations, area="database")
doctor.register("durability", _("Durability"), server.keeps_what_it_took, area="database")
doctor.register("clock", _("Clock"), server.clock, area="database")
doctor.register("room", _("Disk space"), space.room, area="database")
doctor.register("table_sizes", _("Tables"), space.sizes_of_tables, area="database")
doctor.register("index_sizes", _("Indexes"), space.sizes_of_indexes, area="database")
doctor.register("connections", _("Connections"), activity.connections, area="database")
doctor.register("dead_rows", _("Vacuum"), activity.dead_rows, area="database")
doctor.register("wraparound", _("Transaction numbers"), server.wraparound, area="database")
doctor.register("slow_statements", _("Slow statements"), activity.slow_statements, area="database")
if settings.REDIS_URL:
    doctor.register("redis", "Redis", broker.redis_answers, area="broker", needs=())
doctor.register("queues", _("Queues"), broker.queues, area="broker", needs=("redis", "database"))
doctor.register("backups", _("Backups"), backup_standing.ask, area="backups")
doctor.register("nightly", _("Maintenance jobs"), process.nights, area="process")
doctor.register("settings", _("Settings"), process.set_up, area="process", needs=())
doctor.register("user", _("User"), process.user, area="process")
doctor.register("versions", _("Release"), process.versions, area="process")
