"""The list of commands by their purpose, and errors of options with an example that works."""

import functools
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from django.core.management import ManagementUtility, get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandParser, OutputWrapper

from observability.version import VERSION
from slamonitor.command_line import our_commands, program, runnable

GROUPS = {
    "Run": ("up", "run", "doctor"),
    "Services": ("sync_services", "export_services", "probe", "heartbeat_url"),
    "Users and tokens": ("changepassword", "createsuperuser", "create_token"),
    "Backups": ("backup", "verify_backup", "restore"),
    "Figures": ("rollup", "decompress", "check_sla_vectors"),
    "Sample data": ("demo", "seed", "reset_data"),
    "Installation": ("migrate", "first_run", "check"),
}
# A line for each command whose options can be mistaken; it has every option that takes a value of a certain form.
EXAMPLES = {
    "backup": "backup --tables services,users --out /tmp/backup",
    "check_sla_vectors": "check_sla_vectors vectors.json",
    "create_token": 'create_token admin --for "deploy script" --scope read --days 30',
    "decompress": "decompress payments --from 2026-03-01 --to 2026-03-09",
    "demo": "demo --targets-port 8001",
    "first_run": "first_run --page-url http://localhost:8000",
    "heartbeat_url": "heartbeat_url nightly-backup --page-url https://status.example.com",
    "probe": "probe payments",
    "restore": "restore sla_monitor.sql.gz --into copy",
    "rollup": "rollup --from 2026-03-01 --to 2026-03-09",
    "run": "run web --port 8080",
    "sync_services": "sync_services services.yaml",
    "up": "up --port 8080 --workers 1",
}
UNFIT = re.compile(r"invalid \S+ value: (?P<value>.+)", re.DOTALL)  # argparse names the function that refused the value


class Remedies(OutputWrapper):
    """Standard error, with advice that can be pasted."""

    def write(self, msg: str = "", style_func: Callable[[str], str] | None = None, ending: str | None = None) -> None:  # type: ignore[override]
        super().write(runnable(msg), style_func, ending)


class Utility(ManagementUtility):
    """Django's command line with our commands first."""

    def __init__(self, argv: list[str]) -> None:
        super().__init__(argv)
        self.prog_name = program()

    def execute(self) -> None:
        if self.argv[1:] in (["--version"], ["version"]):
            sys.stdout.write(f"{VERSION}\n")
        else:
            super().execute()

    def main_help_text(self, commands_only: bool = False) -> str:
        if commands_only:
            return super().main_help_text(commands_only=True)
        return "\n".join(_help())

    def fetch_command(self, subcommand: str) -> BaseCommand:
        command: BaseCommand = super().fetch_command(subcommand)
        styled = command.stderr.style_func
        command.stderr = Remedies(sys.stderr)
        command.stderr.style_func = styled
        command.get_version = lambda: VERSION  # type: ignore[method-assign]
        if example := EXAMPLES.get(subcommand):
            self._explain(command, f"Example: {program()} {example}")
        return command

    @staticmethod
    def _explain(command: BaseCommand, example: str) -> None:
        """Show the example in the help of a command and in each error of its options."""
        create = command.create_parser

        def create_parser(prog_name: str, subcommand: str, **options: Any) -> CommandParser:
            parser: CommandParser = create(prog_name, subcommand, epilog=example, **options)
            parser.error = functools.partial(_refuse, parser, parser.error, example)  # type: ignore[method-assign]
            return parser

        command.create_parser = create_parser  # type: ignore[method-assign]


def _refuse(parser: CommandParser, refuse: Callable[[str], NoReturn], example: str, message: str) -> NoReturn:
    refuse(f"{UNFIT.sub(_not_valid, message)}. {example}")


def _not_valid(found: "re.Match[str]") -> str:
    return f"{found['value']} is not valid"


def _help() -> Iterator[str]:
    commands = get_commands()
    grouped = {name for names in GROUPS.values() for name in names}
    more = {"More": tuple(sorted(our_commands() - grouped))}
    yield f"\nCommands of the SLA monitor. For the options of one: {program()} help COMMAND"
    yield "A command uses the installation that is running; --state-dir DIR names another one."
    for title, names in {**GROUPS, **more}.items():
        if names:
            yield f"\n{title}"
        for name in names:
            yield f"    {name:<18} {_summary(commands[name], name)}"
    others = sorted(set(commands) - grouped - our_commands())
    yield "\nFor developers, of Django and its extensions"
    yield from _wrapped(others)


def _summary(app: Any, name: str) -> str:
    """Return the first sentence of a command's help."""
    command = app if isinstance(app, BaseCommand) else load_command_class(app, name)
    return re.split(r"(?<=[\w`])[.:;](?:\s|$)| \(", str(command.help), maxsplit=1)[0]


def _wrapped(names: list[str]) -> Iterator[str]:
    line = "   "
    for name in names:
        if len(line) + len(name) > 100:
            yield line
            line = "   "
        line += f" {name}"
    yield line
