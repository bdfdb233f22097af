"""The schema of a backup, by its applied migrations, and whether this release knows it."""

import os
import subprocess
import sys
from collections.abc import Sequence

from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from database.backups.loading import Source
from database.backups.problem import BackupError
from database.backups.server import Server


def known() -> set[str]:
    """Return the migrations of this release, as `app.name`."""
    return {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}


def require_known(found: Source) -> None:
    """Raise `BackupError` if a backup has migrations that this release doesn't know."""
    if newer := sorted(set(found.manifest.migrations) - known()):
        raise BackupError(
            f"{found.path} was made by a newer release: it has {len(newer)} migrations that this one does not know"
            f" ({', '.join(newer[:3])}…). Nothing was changed. Update this installation first."
        )


def bring_up_to_date(server: Server, applied: Sequence[str]) -> None:
    """Apply the migrations that are newer than a backup. Raises `BackupError`."""
    if set(applied) == known():
        return
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"],
        env={**os.environ, "DATABASE_URL": server.url},
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it ended without a message"])[-1]
        raise BackupError(f"The backup's schema cannot be brought up to date: {reason}. The data was not changed.")
