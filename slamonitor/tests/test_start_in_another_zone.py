"""A process does not start if PAGE_TIME_ZONE is not the zone of the stored days."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from database.backups.server import application_server
from monitoring.models import UptimeRecord
from monitoring.tests.factories import START, make_service
from slamonitor.embedded.state_directory import CHECKOUT

pytestmark = pytest.mark.processes

CELERY = str(Path(sys.executable).with_name("celery"))
DAY = {"date": START.date(), "status": "o", "operational_s": 86_400, "metadata": {"sample": True}}
STARTS = [
    (sys.executable, "-c", "import slamonitor.wsgi"),
    (CELERY, "--app", "slamonitor", "worker", "--queues", "results,alerts,rollups", "--concurrency", "1"),
    (CELERY, "--app", "slamonitor", "worker", "--queues", "dispatch", "--pool", "solo"),
]


@pytest.fixture
def stored(transactional_db: None) -> Iterator[None]:
    """A day that processes of their own can see."""
    UptimeRecord.objects.create(service=make_service(), **DAY)
    yield
    UptimeRecord.objects.all().delete()


def start(command: tuple[str, ...], zone: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "DATABASE_URL": application_server().url, "PAGE_TIME_ZONE": zone}
    env["SLAMONITOR_STATE_DIR"] = "/nonexistent/state"
    return subprocess.run(command, env=env, cwd=CHECKOUT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("command", STARTS, ids=["web", "engine", "dispatch"])
def test_days_of_another_zone_stop_the_start_with_the_remedy(stored: None, command: tuple[str, ...]) -> None:
    done = start(command, "Asia/Seoul")

    assert done.returncode != 0
    assert "PAGE_TIME_ZONE: it is Asia/Seoul, and stored days were accounted in another" in done.stderr
    hint = re.search(r"Hint: Account all days again in this zone: (.*) rollup --rezone", done.stderr)
    assert hint and shlex.split(hint[1])[1:] == ["manage.py"], done.stderr
    assert "Traceback" not in done.stderr


def test_the_remedy_works_and_so_does_the_setting_of_before(stored: None) -> None:
    web = STARTS[0]
    assert start(web, "UTC").returncode == 0, "what it was"

    rezoned = start((sys.executable, "manage.py", "rollup", "--rezone"), "Asia/Seoul")

    assert rezoned.returncode == 0, rezoned.stderr
    assert start(web, "Asia/Seoul").returncode == 0
    assert start(web, "UTC").returncode != 0


@pytest.mark.django_db
def test_up_is_stopped_by_its_first_step_and_rezones_when_asked(settings: Any) -> None:
    UptimeRecord.objects.create(service=make_service(), time_zone="Asia/Seoul", **DAY)

    with pytest.raises(CommandError, match=r"manage\.py up --rezone"):
        call_command("first_run")
    call_command("first_run", rezone=True)

    assert UptimeRecord.objects.get().time_zone == "UTC"
