"""Add the sample data of the specification (five services, three users, 90 days of uptime), and delete all data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from psycopg import sql

from accounts.models import Role, User
from database import changes
from database.locks import lock_in_transaction
from database.models import ChangeCounter
from incidents import system_status
from monitoring.catalogue.sync import Wanted, sync
from monitoring.models import AccountingPolicy, Service, UptimeRecord
from monitoring.rules.state import Status

MODULES = "https://idverify-api.argosidentity.com/modules/"
SERVICES = {  # id: name, display name, path
    "id-recognition": ("ID Recognition", "ID 인식", "recognition"),
    "face-liveness": ("Face Liveness", "얼굴 라이브니스", "liveness"),
    "id-liveness": ("ID Liveness", "ID 라이브니스", "document"),
    "face-compare": ("Face Compare", "얼굴 비교", "compare"),
    "curp-verifier": ("CURP Verifier", "CURP 검증", "verify/curp"),
}
MAIL_DOMAIN = "argosidentity.com"
DAYS = 90
CHECKS_A_DAY = 1440
SAMPLE = {"sample": True}
COUNTED_ROWS = 100_000  # per table; the warning before a reset counts no further


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """The objects that seeding added; all empty if everything existed."""

    created: Sequence[str] = ()
    activated: Sequence[str] = ()
    sample_days: int = 0
    passwords: dict[str, str] = field(default_factory=dict)  # by user name; only their hashes are stored

    def __bool__(self) -> bool:
        return bool(self.created or self.activated or self.sample_days or self.passwords)

    def lines(self) -> Iterator[str]:
        """Yield a message for the user, with the passwords, which cannot be shown again."""
        if not self:
            yield "All sample data already exists; nothing was changed."
        if self.created:
            yield f"{len(self.created)} services created: {', '.join(self.created)}"
        if self.activated:
            yield f"{len(self.activated)} services activated: {', '.join(self.activated)}"
        if self.sample_days:
            yield f"{self.sample_days} days of sample uptime added, marked as sample"
        if self.passwords:
            yield from password_lines(self.passwords)


def password_lines(passwords: Mapping[str, str]) -> Iterator[str]:
    yield "Users created. Their passwords are shown only once and must be changed at the first sign-in:"
    for name, password in passwords.items():
        yield f"  {name:<10} {f'{name}@{MAIL_DOMAIN}':<30} {password}"


def seed(now: datetime, *, activate: bool) -> Seeded:
    """Add the missing parts of the sample data. Nothing else is changed, so it may run again.

    `activate` also resumes sample services that are paused. Raises `monitoring.catalogue.sync.Refused`.
    """
    with transaction.atomic():
        lock_in_transaction("seeding")
        outcome = sync(list(_missing_services(activate)))
        seeded = Seeded(
            created=outcome.created,
            activated=list(outcome.updated),
            sample_days=_add_sample_days(now.astimezone(settings.PAGE_TIME_ZONE).date()),
            passwords=add_users(),
        )
        system_status.refresh(now)
        if seeded.sample_days:
            changes.bump("page")
    return seeded


def reset(now: datetime) -> Seeded:
    """Delete all data and seed again, in one transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        # While we wait for a reader, every recorder waits for us. So give up soon.
        cursor.execute("SET LOCAL lock_timeout = '10s'")
        tables = sql.SQL(", ").join(map(sql.Identifier, data_tables()))
        cursor.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(tables))
        changes.bump("page")
        return seed(now, activate=False)


def data_tables() -> list[str]:
    """Return the tables that a reset empties: those of our apps, and the sessions of their users."""
    ours = [config for config in apps.get_app_configs() if Path(config.path).parent == settings.BASE_DIR]
    models = [model for config in ours for model in config.get_models(include_auto_created=True)]
    # A change counter must never decrease, or a web process would consider its cached page up to date. Accounting
    # policies are rules, not data, and a trigger makes them immutable.
    kept = (ChangeCounter, AccountingPolicy)
    return sorted({model._meta.db_table for model in models if model not in kept} | {"django_session"})


def rows_by_table() -> dict[str, int]:
    """Return the number of rows that a reset would delete, by table without empty ones; at most `COUNTED_ROWS` each."""
    counts = {}
    with connection.cursor() as cursor:
        for table in data_tables():
            limited = sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT {}) AS counted")
            cursor.execute(limited.format(sql.Identifier(table), COUNTED_ROWS))
            counts[table] = cursor.fetchone()[0]
    return {table: count for table, count in counts.items() if count}


def _missing_services(activate: bool) -> Iterator[Wanted]:
    stored = Service.objects.in_bulk(SERVICES)
    for id, (name, display_name, path) in SERVICES.items():
        if id not in stored:
            values = {"name": name, "display_name": display_name, "endpoint_url": MODULES + path}
            yield Wanted(id=id, values={**values, "is_active": activate, "metadata": SAMPLE})
        elif activate and stored[id].archived_at is None and not stored[id].is_active:
            yield Wanted(id=id, values={"is_active": True})


def add_users() -> dict[str, str]:
    """Add a user for each role unless the name or the address is taken; return their one-time passwords by name."""
    passwords = {}
    for role in (Role.ADMIN, Role.REPORTER, Role.VIEWER):
        name, email = role.value, f"{role.value}@{MAIL_DOMAIN}"
        if not User.objects.filter(Q(username=name) | Q(email__iexact=email)).exists():
            _user, passwords[name] = User.objects.create_with_one_time_password(name, email, role)
    return passwords


def _add_sample_days(today: date) -> int:
    """Add sample days to the sample services without any; return the number of days."""
    bare = Service.objects.present().filter(id__in=SERVICES, uptime_records=None).values_list("id", flat=True)
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    records = [record for id in sorted(bare) for record in _sample(id, days)]
    UptimeRecord.objects.bulk_create(records)
    return len(records)


def _sample(service_id: str, days: Sequence[date]) -> Iterator[UptimeRecord]:
    """Yield sample days, always the same ones for a service: most without downtime, some with, a few without data."""
    random = Random(service_id)
    for day in days:
        status = random.choices([Status.OPERATIONAL, Status.PARTIAL, Status.UNKNOWN], [92, 6, 2])[0]
        down_minutes = random.randint(2, CHECKS_A_DAY * 5 // 100) if status is Status.PARTIAL else 0
        total = 0 if status is Status.UNKNOWN else CHECKS_A_DAY
        yield UptimeRecord(
            service_id=service_id,
            date=day,
            status=status,
            uptime_percentage=_floored_percentage(total - down_minutes, total),
            total_checks=total,
            successful_checks=total - down_minutes,
            failed_checks=down_minutes,
            avg_response_time=round(random.uniform(120, 420), 1) if total else None,
            metadata=SAMPLE,
            operational_s=60 * (total - down_minutes),
            down_s=60 * down_minutes,
            unknown_s=60 * (CHECKS_A_DAY - total),
        )


def _floored_percentage(up: int, total: int) -> Decimal | None:
    return Decimal(up * 10_000 // total).scaleb(-2) if total else None
