"""Settings are documented, and a wrong one stops the start with its name and a remedy."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from slamonitor.embedded.state_directory import CHECKOUT

GOOD = {
    "SECRET_KEY": "long-enough-to-be-accepted-as-a-secret",
    "DATABASE_URL": "postgresql://user:hidden@localhost/sla_monitor",
    "REDIS_URL": "redis://localhost:6379/0",
}


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in documented()}
    env = {**kept, "SLAMONITOR_STATE_DIR": "/nonexistent", **GOOD, **variables}
    return subprocess.run([sys.executable, *command], env=env, cwd=CHECKOUT, capture_output=True, text=True)


def documented() -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", (CHECKOUT / ".env.example").read_text(), re.MULTILINE))


def test_every_setting_that_is_read_is_documented() -> None:
    source = (CHECKOUT / "slamonitor" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*(?:#[^\n]*\s*)?"([A-Z_]+)"', source))

    assert read, "the pattern finds nothing any more"
    assert documented() == read | {"SLAMONITOR_STATE_DIR"}


def test_good_settings_pass() -> None:
    done = run("manage.py", "check")

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECRET_KEY", "", "it is not set"),
        ("SECRET_KEY", "short", "5 characters can be guessed"),
        ("DATABASE_URL", "mysql://user:hidden@localhost/x", "does not name a PostgreSQL database"),
        ("DATABASE_URL", "", "no running instance was found"),
        ("REDIS_URL", "localhost:6379", "Write redis://"),
        ("DEBUG", "maybe", "'maybe' is neither true nor false"),
        ("ALLOWED_HOSTS", "*", "'*' lets anybody choose"),
        ("DB_MAX_CONNECTIONS", "0", "Set it to a number from 1 to 1000"),
        ("PAGE_TIME_ZONE", "Mars/Base", "Set it to a name such as Asia/Seoul"),
        ("LANGUAGE_CODE", "xx", "Set it to en or ko"),
        ("LOG_LEVEL", "LOUD", "Write DEBUG, INFO"),
        ("LOG_FORMAT", "xml", "Set it to json, line, or auto"),
        ("BACKUP_AT", "2 o'clock", "Set it to a time such as 02:00, or to off"),
        ("BACKUP_BUCKET", "https://example.com/x", "Set it to s3://bucket"),
        ("BACKUP_AGE_RECIPIENTS", "age1nonsense", "'age1nonsense' is not a public key of age"),
        ("PROBE_DNS_SERVERS", "dns.example", "Set it to ip or ip:port"),
        ("PROBE_DNS_SERVERS", "192.0.2.53:99999", "Set it to ip or ip:port"),
        ("CANARY_URLS", "https://example.com/, example.com", "'example.com' cannot be asked"),
        ("REGION", "seoul,tokyo", "Use lowercase letters"),
        ("FOLD_AFTER_DAYS", "14", "Rename it to COMPRESS_AFTER_DAYS"),
        ("FOLD_AFTER_DAYS_FILE", "/run/days", "Rename it to COMPRESS_AFTER_DAYS"),
    ],
)
def test_a_bad_value_stops_the_web_with_its_name_and_a_hint(name: str, value: str, words: str) -> None:
    done = run("-c", "import slamonitor.wsgi", **{name: value})

    assert done.returncode != 0
    assert f"{name}: " in done.stderr and words in done.stderr and "Hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden" not in done.stderr, "a password in an error message"


def test_secrets_come_from_files(tmp_path: Path) -> None:
    key, url = tmp_path / "key", tmp_path / "url"
    key.write_text("from-a-file-and-long-enough-to-be-accepted\n")
    url.write_text("postgresql://u:p@h/d\r\n")
    code = "from slamonitor import settings; print(settings.SECRET_KEY, settings.DATABASE['HOST'])"

    done = run("-c", code, SECRET_KEY="", DATABASE_URL="", SECRET_KEY_FILE=str(key), DATABASE_URL_FILE=str(url))

    assert done.stdout == "from-a-file-and-long-enough-to-be-accepted h\n", done.stderr


@pytest.mark.parametrize(
    ("content", "variables", "words"),
    [
        (None, {}, "SECRET_KEY_FILE: {path} cannot be read: No such file or directory"),
        ("\n", {}, "SECRET_KEY_FILE: {path} is empty"),
        ("x" * 40, {"SECRET_KEY": "y" * 40}, "SECRET_KEY_FILE: SECRET_KEY is also set"),
    ],
)
def test_a_bad_file_stops_the_start_in_words(
    content: str | None, variables: dict[str, str], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)

    done = run("manage.py", "check", **{"SECRET_KEY": "", "SECRET_KEY_FILE": str(path), **variables})

    assert words.format(path=path) in done.stderr
    assert "xxxx" not in done.stderr and "yyyy" not in done.stderr


def test_behind_tls_the_number_of_proxies_must_be_told() -> None:
    done = run("-c", "import slamonitor.wsgi", HTTPS="true")

    assert done.returncode != 0
    assert "TRUSTED_PROXIES: it is 0, but HTTPS=true" in done.stderr and "usually 1" in done.stderr


def test_the_deployment_checks_have_nothing_to_say_of_a_production() -> None:
    done = run(
        "manage.py",
        "check",
        "--deploy",
        "--fail-level",
        "DEBUG",
        HTTPS="true",
        TRUSTED_PROXIES="1",
        SECRET_KEY="aB3$x9" * 10,
    )

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_all_bad_values_are_said_at_once() -> None:
    done = run("manage.py", "check", DEBUG="maybe", LOG_LEVEL="LOUD")

    assert "DEBUG: " in done.stderr and "LOG_LEVEL: " in done.stderr


@pytest.mark.parametrize("queue", ["probes.seoul", "results"])
def test_only_a_worker_that_stores_needs_a_database(queue: str, tmp_path: Path) -> None:
    code = (
        "import os, django\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'slamonitor.settings'\n"
        "django.setup()\n"
        "from slamonitor.celery import app, stop_on_wrong_settings\n"
        f"app.amqp.queues.select(['{queue}'])\n"
        "stop_on_wrong_settings()\n"
        "from monitoring import tasks\nfrom monitoring.worker import probe_worker\n"
        "print('started', probe_worker.loop().counters['probes'])\n"
    )

    done = run("-c", code, DATABASE_URL="")

    assert ("started 0" in done.stdout) == (queue == "probes.seoul"), done.stderr


def test_what_up_starts_keeps_backups_where_a_command_of_another_shell_looks(tmp_path: Path) -> None:
    code = "from slamonitor import settings; print(settings.BACKUP_DIR)"

    found = [run("-c", code, SLAMONITOR_STATE_DIR=given).stdout.strip() for given in ("", str(CHECKOUT / "var"), "var")]

    assert found == [str(CHECKOUT / "backups")] * 3
    assert run("-c", code, SLAMONITOR_STATE_DIR=str(tmp_path)).stdout.strip() == str(tmp_path / "backups")
