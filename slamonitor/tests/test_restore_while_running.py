"""Backups, proofs and a restore in place under a running installation, whose engine pauses and goes on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from slamonitor.tests.installation import Installation, wait_until
from slamonitor.tests.targets import Target, serving

pytestmark = pytest.mark.processes

SERVICE = "services:\n- {{id: payments, name: {name}, endpoint_url: '{url}', check_interval: 1000, timeout: 900}}"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    folder.chmod(0o755)
    with Installation(folder) as installation:
        yield installation


def checks_since(installation: Installation, since: datetime) -> int:
    query = "SELECT count(*) FROM watch_server_logs WHERE service_id = 'payments' AND checked_at >= %s"
    return int(installation.query(query, since)[0][0])


def name(installation: Installation) -> str:
    return str(installation.query("SELECT name FROM services WHERE id = 'payments'")[0][0])


def test_a_restore_pauses_the_engine_and_brings_the_old_data_back(installation: Installation) -> None:
    with serving(Target()) as address:
        url = f"http://{address}/"
        installation.manage("sync_services", "-", text=SERVICE.format(name="Before", url=url))
        wait_until(lambda: checks_since(installation, datetime.fromtimestamp(0, UTC)) >= 2)
        written = installation.manage("backup")
        installation.manage("sync_services", "-", text=SERVICE.format(name="After", url=url))

        told = installation.manage("restore", written.partition(":")[0], "--yes")

        # `up` notices the end of the pause on its own, so perhaps after the command has ended.
        wait_until(lambda: "the engine continues" in installation.log.read_text(), installation.log.read_text)
        log = installation.log.read_text()
        assert log.index("the engine pauses") < log.index("the engine continues")
        assert "Restored. The previous data is in" in told
        assert name(installation) == "Before"
        restored_at = datetime.now(UTC)
        wait_until(lambda: checks_since(installation, restored_at) >= 2, installation.log.read_text)
        wait_until(lambda: "Before" in installation.page().text, lambda: installation.page().text)
    assert Path(written.partition(":")[0]).parent == installation.state / "backups"


def test_a_pause_ends_with_the_command_that_requested_it(installation: Installation) -> None:
    code = (
        "import sys, time, pathlib\nfrom slamonitor.running.pause import paused\n"
        "with paused(pathlib.Path(sys.argv[1])):\n    print('paused', flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(installation.state)], stdout=subprocess.PIPE, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"paused\n"
        assert installation.processes("--hostname engine") == []
        process.kill()

    wait_until(lambda: installation.processes("--hostname engine"))


def test_a_due_backup_runs_while_the_engine_runs(installation: Installation) -> None:
    installation.query("DELETE FROM backup_reports RETURNING 1")
    installation.query("UPDATE django_migrations SET applied = now() - interval '9 days' RETURNING 1")
    done = "SELECT is_good FROM backup_reports WHERE subject = %s AND ended_at IS NOT NULL"

    for subject in ("backup", "proof"):
        installation.manage("shell", "-c", "from slamonitor.tasks import keep_backups; keep_backups.delay()")
        found = wait_until(lambda subject=subject: installation.query(done, subject), installation.log.read_text)  # type: ignore[misc]
        assert found == [(True,)]
