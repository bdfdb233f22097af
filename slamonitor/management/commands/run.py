"""`manage.py run`: become one process of an installation. Containers and systemd units run each by itself."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from observability.logs import PROCESS
from slamonitor.running import processes
from slamonitor.running.child import Process, raise_file_limit
from slamonitor.running.processes import Options


class Command(BaseCommand):
    help = (
        "Run one process: web (page, admin and API), engine (records and accounts), dispatch"
        " (dispatches slots), probe (measures, needs no database) or beat (scheduler). One dispatch and"
        " one beat are enough; more do no harm. On SIGTERM it finishes its work and exits."
    )
    # The program that replaces this one checks the settings itself, and a probe worker has no database.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("process", choices=["web", "engine", "dispatch", "probe", "beat"])
        parser.add_argument("--host", default="127.0.0.1", help="web: address to listen on (default %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="web: port to listen on (default %(default)s)")
        parser.add_argument(
            "--region", default=settings.REGION, help="probe: region (default %(default)s, from REGION)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = Options(host=options["host"], port=options["port"], workers=1, region=options["region"])
        process = describe(options["process"], chosen)
        if process.raise_file_limit:
            raise_file_limit()
        os.chdir(process.cwd)
        # `exec` keeps the process id, so that signals reach the program itself.
        os.execve(process.command[0], process.command, dict(process.env))  # noqa: S606  as meant


def describe(name: str, options: Options) -> Process:
    """Return the command line of a process, the same that `manage.py up` starts."""
    env = {**os.environ, "PYTHONUNBUFFERED": "1", PROCESS: name}
    number = os.getpid()  # a name of its own in the logs, for any number of them on a host
    match name:
        case "web":
            return processes.web(env, options)
        case "engine":
            return processes.engine_worker(env, None)
        case "dispatch":
            return processes.dispatcher(env)
        case "probe":
            return processes.probe_worker(env, options, number)
        case _:
            return processes.beat(env)
