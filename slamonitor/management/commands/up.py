"""`manage.py up`: start everything that one installation needs, and stop it again."""

import contextlib
import os
import re
import shlex
import socket
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from observability import metrics
from observability.logs import FORMAT, resolved
from slamonitor.command_line import program
from slamonitor.embedded.installations import registered
from slamonitor.embedded.postgres import EmbeddedPostgres, client_variables
from slamonitor.embedded.programs import find_postgres
from slamonitor.embedded.redis import EmbeddedRedis
from slamonitor.embedded.state_directory import EmbeddedError, StateDirectory, default_path, home
from slamonitor.environment import Environment
from slamonitor.running import pause, processes
from slamonitor.running.processes import Options
from slamonitor.running.supervisor import ChildFailed, StopRequested, Supervisor

LOOPBACK = "127.0.0.1"
MAKE_GOAL = "SLAMONITOR_MAKE_GOAL"  # the Makefile sets it to what was made
PASSWORDS = re.compile(r"\+-|\| |Users created\.|  \w+ +\S+@\S+ ")  # lines of `first_run` with new passwords


class Command(BaseCommand):
    """Start database, Redis, web, workers and beat; everything ends with this command."""

    help = "Start everything: PostgreSQL and Redis (unless their URLs are set), migrations, web, workers and beat."
    # The children check the settings; this process touches neither database nor secrets, which do not exist yet.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=LOOPBACK, help="address to listen on (default %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default %(default)s)")
        # The settings need it earlier (`slamonitor/command_line.py`).
        parser.add_argument("--state-dir", metavar="DIR", help=f"data, secrets and lock (default {home()})")
        parser.add_argument("--workers", type=int, default=1, help="probe workers, each one core (default %(default)s)")
        parser.add_argument("--rezone", action="store_true", help="first account days of another time zone again")
        parser.add_argument("--demo", action="store_true", help="show sample services with sample history")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = Options(
            host=options["host"],
            port=options["port"],
            workers=max(1, options["workers"]),
            region=os.environ.get("REGION") or "default",
        )
        try:
            state = StateDirectory.create(default_path())
            # One that the environment names is found by the same variable.
            found = registered(state.path) if options["state_dir"] else contextlib.nullcontext()
            with state.lock() as descriptor, found:
                require_free_port(chosen, again(options))
                with (
                    Supervisor(keep_open=(descriptor,), log_format=log_format()) as supervisor,
                    contextlib.suppress(StopRequested),
                ):
                    start_all(supervisor, state, chosen, demo=options["demo"], rezone=options["rezone"])
                    pause.watch(supervisor, state.path, processes.is_of_engine)
        except (EmbeddedError, ChildFailed) as error:
            raise CommandError(str(error)) from error
        if not supervisor.ended_cleanly:
            raise CommandError("Stopped, but some processes had to be killed; see the lines above.")


def start_all(supervisor: Supervisor, state: StateDirectory, options: Options, *, demo: bool, rezone: bool) -> None:
    """Start everything in order of dependency. Raises the exceptions of the supervisor and of the servers."""
    supervisor.say(f"starting; state directory {state.path}")
    metrics.clear(settings.METRICS_DIR)
    state.update_env({"PAGE_URL": page_url(options)})  # for commands in another shell
    env = start_servers(supervisor, state)
    # These need no database, and start while it is being prepared.
    for number in range(1, options.workers + 1):
        supervisor.start(processes.probe_worker(env, options, number))
    # The targets of the demo are on the port after ours or, if that is taken, on any other.
    targets_port = free_port(options.port + 1) if demo else None
    first = [
        "first_run", "--migrate", "--page-url", page_url(options), *(["--rezone"] if rezone else []),
        *(["--demo-targets-port", str(targets_port)] if targets_port else []),
    ]  # fmt: skip
    supervisor.run(processes.manage(env, *first), keep=lambda line: bool(PASSWORDS.match(line)))
    if targets_port:
        supervisor.start(processes.targets(env, targets_port, settings.PAGE_TIME_ZONE.key))
    broker_is_redis = "BROKER_URL" not in env
    supervisor.start(
        processes.engine_worker(env, processes.results_stored(env["REDIS_URL"]) if broker_is_redis else None)
    )
    supervisor.start(processes.dispatcher(env))
    supervisor.start(processes.beat(env))
    supervisor.start(processes.web(env, options))
    tell(supervisor, state, options)
    supervisor.say_kept()


def free_port(preferred: int) -> int:
    """Return the port of the loopback if it is free, else one that is."""
    for port in (preferred, 0):
        with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise CommandError("There is no free port on 127.0.0.1 for the targets of the demo.")


def start_servers(supervisor: Supervisor, state: StateDirectory) -> dict[str, str]:
    """Start PostgreSQL and Redis unless the environment names them; return the environment of all other processes."""
    given = given_settings(os.environ)
    database_url, redis_url = given_database_url(given), given.get("REDIS_URL")
    # Store it even if it is given, so that commands in another shell can verify and decrypt with it.
    state.update_env({"SECRET_KEY": given.get("SECRET_KEY") or state.secret("SECRET_KEY")})
    if database_url is None:
        postgres = EmbeddedPostgres(state)
        postgres.prepare()
        supervisor.start(processes.server(postgres.process(), processes.Stage.POSTGRES))
        state.update_env(postgres.env)
        # The PG… variables of the operator's shell mean another server.
        given = {name: value for name, value in given.items() if not name.startswith("PG")}
    else:
        state.update_env(client_variables(database_url))
    if redis_url is None:
        server = EmbeddedRedis(state)
        server.prepare()
        supervisor.start(processes.server(server.process(), processes.Stage.REDIS))
        state.update_env(server.env)
    else:
        state.update_env({"REDIS_URL": redis_url})
    return {
        **state.env(),
        **given,
        "SLAMONITOR_STATE_DIR": str(state.path),
        "PYTHONUNBUFFERED": "1",
        # Everything must end within ten seconds, which leaves probes no time to finish: running ones become gaps.
        "PROBE_FINISH_S": "0",
        FORMAT: log_format(),
    }


def log_format() -> str:
    """Return the log format; children use the same, although they see a pipe and no terminal."""
    return resolved(settings.LOG_FORMAT, descriptor=1)


def given_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without empty values, and with the content of files that it names for servers."""
    environment = Environment(variables, fallback={})
    given = {name: value for name, value in variables.items() if value}
    for name in ("DATABASE_URL", "DB_PASSWORD", "REDIS_URL", "BROKER_URL", "SECRET_KEY"):
        value = environment.get(name)
        if f"{name}_FILE" in given and value is not None:
            given[name] = value
            del given[f"{name}_FILE"]
    if environment.problems:
        problem = environment.problems[0]
        raise CommandError(f"{problem.name}: {problem.what}. {problem.hint}")
    return given


def given_database_url(given: dict[str, str]) -> str | None:
    """Return the URL of the database in the environment, given as a URL or in parts, as in compose files."""
    if "DATABASE_URL" in given or "DB_PASSWORD" not in given:
        return given.get("DATABASE_URL")
    user, password = (quote(given.get(name, "sla_monitor"), safe="") for name in ("DB_USER", "DB_PASSWORD"))
    host, port = given.get("DB_HOST", "localhost"), given.get("DB_PORT", "5432")
    return f"postgresql://{user}:{password}@{host}:{port}/{given.get('DB_NAME', 'sla_monitor')}"


def require_free_port(chosen: Options, again: Callable[[int], str]) -> None:
    """Refuse a port that cannot be listened on, before anything is started. Raises `CommandError`.

    `again` returns what to enter for another port.
    """
    host, port = chosen.host, chosen.port
    try:
        listen(host, port)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CommandError(
            f"Cannot listen on {host} port {port}: {reason}. Nothing was started. {instead(host, port, again)}"
        ) from error


def listen(host: str, port: int) -> None:
    """Listen for a moment. Raises OSError, or OverflowError for what is no port."""
    if not 0 < port < 65_536:  # getaddrinfo would quietly take the remainder
        raise OverflowError("a port is a number from 1 to 65535")
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server will
        probe.bind(address)


def instead(host: str, port: int, again: Callable[[int], str]) -> str:
    """Return the advice to use the next free port, or another host if this one has none."""
    for other in range(port + 1 if 1023 < port < 65_535 else 8001, 65_536)[:100]:
        with contextlib.suppress(OSError):
            listen(host, other)
            return f"Port {other} is free; enter: {again(other)}"
    return "Choose an address of this machine with --host, for example --host 127.0.0.1"


def again(options: Mapping[str, Any]) -> Callable[[int], str]:
    """Return how to repeat this command with another port, by `make` if that started it."""
    goal = os.environ.get(MAKE_GOAL, "")
    state = options["state_dir"] or ""
    # The goal itself adds this folder.
    is_of_goal = goal == "demo" and Path(state or "x").absolute() == home() / "demo"
    parts = {
        "--host": options["host"] if options["host"] != LOOPBACK else "",
        "--workers": str(options["workers"]) if options["workers"] != 1 else "",
        "--state-dir": "" if is_of_goal else state,
    }
    flags = [name for name in ("rezone", "demo") if options[name] and name != goal]
    rest = [word for name, value in parts.items() if value for word in (name, value)]
    rest += [f"--{name}" for name in flags]

    def line(port: int) -> str:
        text = shlex.join(["--port", str(port), *rest])
        return f"make {goal} ARGS={shlex.quote(text)}" if goal else f"manage.py up {text}"

    return line


def tell(supervisor: Supervisor, state: StateDirectory, options: Options) -> None:
    """Print the processes and the URLs of the pages."""
    page = page_url(options)
    servers, env_file = state.path / "servers", shlex.quote(str(state.path / "env"))
    psql = str(find_postgres() / "bin" / "psql") if servers.exists() else "psql"
    for name, text in {
        "State": f"{state.path}" + (f", its data in {servers.readlink()}" if servers.is_symlink() else ""),
        "Database": f"set -a; . {env_file}; {shlex.quote(psql)}",
        "Commands": f"{program()} help",
        "Stop": f"Ctrl-C, or: kill {os.getpid()}",
        "Health": f"{page}health",
        "Admin": f"{page}admin/",
        "Status page": page,
    }.items():
        supervisor.say(f"{name:<12} {text}")


def page_url(options: Options) -> str:
    """Return where a browser on this machine finds the page."""
    host = "localhost" if options.host in ("127.0.0.1", "::1", "0.0.0.0", "::") else options.host
    return f"http://{f'[{host}]' if ':' in host else host}:{options.port}/"
