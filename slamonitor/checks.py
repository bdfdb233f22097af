"""System checks that stop the start on a dangerous, missing or malformed setting, with its name and a remedy."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from django.conf import settings
from django.core.checks import Error, Tags, register, run_checks

from database.backups import bucket, encryption
from database.backups.problem import BackupError
from database.backups.server import application_server
from monitoring.accounting import day_zones
from slamonitor.command_line import runnable


@register("settings")
def check_settings(**_: Any) -> list[Error]:
    malformed = [
        Error(f"{problem.name}: {problem.what}.", hint=problem.hint, id="slamonitor.E001")
        for problem in settings.SETTINGS_PROBLEMS
    ]
    return malformed + list(_dangerous())


@register("settings")
def check_backups(**_: Any) -> list[Error]:
    """Check the recipients' keys and the optional packages, which would otherwise fail at night."""
    tried: dict[str, Callable[[], object]] = {
        "E008": lambda: encryption.read_recipients(settings.BACKUP_AGE_RECIPIENTS) if encryption.is_on() else None,
        "E009": lambda: bucket.require_package() if bucket.is_on() else None,
    }
    problems = []
    for number, attempt in tried.items():
        try:
            attempt()
        except BackupError as error:
            problems.append(Error(str(error), hint="See docs/backups.md.", id=f"slamonitor.{number}"))
    return problems


@register(Tags.database)
def check_database(**_: Any) -> list[Error]:
    """Require a database; a probe-only worker needs none, and never calls this."""
    if settings.DATABASE is not None:
        return []
    return [
        Error(
            "DATABASE_URL: it is not set, and no running instance was found in the state directory.",
            hint=f"Start one with `manage.py up`, or set DATABASE_URL. Searched in {settings.STATE_DIR}.",
            id="slamonitor.E006",
        )
    ]


def check_days() -> list[Error]:
    """Refuse days that were accounted in another time zone. Other checks report an unavailable database.

    Uses its own connection: a worker forks children later, which must not inherit one.
    """
    if settings.DATABASE is None:
        return []
    try:
        with (
            psycopg.connect(**{**application_server().parameters, "connect_timeout": 2}) as connection,
            connection.cursor() as cursor,
        ):
            found = day_zones.others(settings.PAGE_TIME_ZONE, cursor)
    except (psycopg.Error, BackupError):  # unavailable, or not migrated yet
        return []
    if not found:
        return []
    return [Error(day_zones.words(found, settings.PAGE_TIME_ZONE), hint=day_zones.REMEDY, id="slamonitor.E011")]


def _dangerous() -> Iterator[Error]:
    if settings.SECRET_KEY == settings.UNSET:
        yield Error(
            "SECRET_KEY: it is not set.",
            hint="`manage.py up` makes one; elsewhere: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
            id="slamonitor.E002",
        )
    elif len(settings.SECRET_KEY) < 32:
        yield Error(
            f"SECRET_KEY: {len(settings.SECRET_KEY)} characters can be guessed.",
            hint="Use at least 32 random characters.",
            id="slamonitor.E003",
        )
    if any(len(key) < 32 for key in settings.SECRETS_KEYS):
        yield Error(
            "SECRETS_KEY: a key of less than 32 characters can be guessed.",
            hint="Use at least 32 random characters. If an old key is still needed to open secrets, add it after"
            " a comma.",
            id="slamonitor.E007",
        )
    if settings.HTTPS and not settings.TRUSTED_PROXIES:
        yield Error(
            "TRUSTED_PROXIES: it is 0, but HTTPS=true says that a proxy serves TLS. Every visitor then has the address"
            " of that proxy, and a few wrong passwords lock everybody out.",
            hint="Set TRUSTED_PROXIES to the number of your proxies, usually 1. Each must set X-Forwarded-For.",
            id="slamonitor.E010",
        )
    if not settings.DEBUG and "*" in settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS: '*' lets anybody choose the host name in our links.",
            hint="List the host names of the page, separated by commas.",
            id="slamonitor.E004",
        )
    if not settings.REDIS_URL and not settings.CELERY_BROKER_URL:
        yield Error(
            "REDIS_URL: it is not set, and no running instance was found in the state directory.",
            hint=f"Start one with `manage.py up`, or set REDIS_URL. Searched in {settings.STATE_DIR}.",
            id="slamonitor.E005",
        )


def stop_on_problems(*, needs_database: bool) -> None:
    """Print all problems and end the process. `manage.py` runs checks itself; web and workers call this."""
    problems = [problem for problem in run_checks(tags=["settings"]) if problem.is_serious()]
    if needs_database:
        problems += check_database() or check_days()
    if problems:
        lines = [f"{problem.msg}\n    Hint: {runnable(str(problem.hint))}" for problem in problems]
        sys.exit("The settings must be fixed before this can start:\n  " + "\n  ".join(lines))
