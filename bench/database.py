"""An empty, migrated database for one measurement, in this process."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slamonitor.embedded.postgres import EmbeddedPostgres


@contextmanager
def migrated(**variables: str) -> Iterator[None]:
    """Start a PostgreSQL with the settings of production, set Django up on it, and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="slamonitor-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres.running(Path(folder) / "state", durable=True) as url:
            os.environ.update(
                DJANGO_SETTINGS_MODULE="slamonitor.settings",
                DATABASE_URL=url,
                REDIS_URL="redis://127.0.0.1:1/0",
                SECRET_KEY="for-benchmarks-only-and-long-enough-to-be-accepted",
            )
            os.environ.update(variables)
            import django
            from django.core.management import call_command
            from django.db import connection

            django.setup()
            call_command("migrate", verbosity=0)
            yield
            connection.close()
