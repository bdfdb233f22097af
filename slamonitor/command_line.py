"""The command line: `manage.py` of a checkout, and the command `slamonitor` of an installed package.

Texts say `manage.py` for the program, wherever they are written. When they are printed, `runnable` replaces it by what
starts the program here, so that every line of advice works when it is pasted into this shell.
"""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from slamonitor.embedded import installations
from slamonitor.embedded.state_directory import CHECKOUT, default_path, home, read_env

PROGRAM = "SLAMONITOR_PROGRAM"  # how this program was started; processes started by it print the same
STATE_DIR = "SLAMONITOR_STATE_DIR"
OPTION = "--state-dir"
# Variables that name the database of an installation, so that there is nothing to search for.
DATABASE = ("DATABASE_URL", "DATABASE_URL_FILE", "DB_PASSWORD", "DB_PASSWORD_FILE")
WITHOUT_DATA = {"up", "run", "check_sla_vectors", "doctor"}  # of ours; `doctor` itself reports that there is none
DJANGOS = {"changepassword", "createsuperuser", "dbshell", "dumpdata", "flush", "loaddata", "migrate", "showmigrations"}
ADVICE = re.compile(r"(?<![\w./-])manage\.py(?P<command> [a-z_]+)(?=(?P<rest>[^`\n]*))")


def main(argv: list[str] | None = None) -> None:
    argv = sys.argv if argv is None else argv
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slamonitor.settings")
    os.environ.setdefault(PROGRAM, _program(argv[0]))
    take_state_dir(argv)
    try:
        choose_installation(argv)
    except LookupError as error:
        sys.exit(str(error))
    from slamonitor.command_help import Utility

    try:
        Utility(argv).execute()
    except BrokenPipeError:  # as in `export_services | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except EOFError:  # as in `changepassword admin < /dev/null`
        sys.exit("The input ended before the question was answered. Enter the command in a terminal (ssh needs -t).")


def take_state_dir(argv: list[str]) -> None:
    """Let `--state-dir` work for every command: the settings read it before any command parses its options.

    The last one counts. `up` gets it, too.
    """
    kept, rest = list[str](), iter(argv)
    for argument in rest:
        name, is_joined, value = argument.partition("=")
        if name != OPTION:
            kept.append(argument)
        elif value := value if is_joined else next(rest, ""):
            os.environ[STATE_DIR] = value
        else:
            sys.exit(f"{OPTION} needs a folder, for example: {OPTION} var/demo")
    if argv[1:2] == ["up"] and len(kept) < len(argv):
        kept.append(f"{OPTION}={os.environ[STATE_DIR]}")
    argv[:] = kept


def choose_installation(argv: list[str]) -> None:
    """Use the only installation that runs, if none is named. Raises LookupError, with what to enter instead."""
    command = argv[1] if len(argv) > 1 else ""
    if {"--help", "-h", "--version"} & set(argv) or any(os.environ.get(name) for name in DATABASE):
        return
    needs_data = command in DJANGOS or (command in our_commands() and command not in WITHOUT_DATA)
    if not os.environ.get(STATE_DIR) and (needs_data or command in ("doctor", "shell")):
        running = installations.running()
        if len(running) > 1:
            raise LookupError(f"{len(running)} installations are running. {_one_of(running, argv)}")
        if running:
            os.environ[STATE_DIR] = str(running[0])
            if running[0] != home():
                print(f"Using the running installation in {_near(running[0])}.", file=sys.stderr)
    if needs_data:
        _require_running(default_path(), argv)


def our_commands() -> set[str]:
    return {path.stem for path in CHECKOUT.glob("*/management/commands/[a-z]*.py")}


def _require_running(state: Path, argv: list[str]) -> None:
    """Raise LookupError for a state directory whose database cannot answer, instead of waiting for it."""
    kept = read_env(state)
    if installations.is_running(state):
        if "DATABASE_URL" in kept:
            return
        raise LookupError(f"The installation in {_near(state)} is just starting. Try again in a minute.")
    if "DATABASE_URL" in kept and not (state / "servers" / "postgres").exists():
        return  # its database is a server of the operator, which may answer
    there = "is not running" if kept else "does not exist, or belongs to another user"
    if others := installations.running():
        raise LookupError(f"The installation in {_near(state)} {there}. {_one_of(others, argv)}")
    goal = "demo" if state == home() / "demo" else "run"
    folder = "" if state in (home(), home() / "demo") else f"{OPTION} {shlex.quote(_near(state))}"
    raise LookupError(
        f"The installation in {_near(state)} {there}. Start it in another terminal:\n  {_start(goal, folder)}\n"
        "If its servers are your own, set DATABASE_URL and REDIS_URL to those of its processes."
    )


def _one_of(running: list[Path], argv: list[str]) -> str:
    lines = "\n".join(f"  {program()} {shlex.join(argv[1:])} {OPTION} {shlex.quote(_near(each))}" for each in running)
    return f"Enter the line of the one you mean:\n{lines}"


def _start(goal: str, options: str) -> str:
    if (CHECKOUT / "Makefile").exists() and Path.cwd() == CHECKOUT:
        return f"make {goal}" + (f" ARGS={shlex.quote(options)}" if options else "")
    demo = f" --demo {OPTION} {shlex.quote(str(home() / 'demo'))}" if goal == "demo" else ""
    return f"{program()} up{demo}" + (f" {options}" if options else "")


def _near(path: Path) -> str:
    """Return a path as short as it can be entered from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def program() -> str:
    """Return what starts this program in the shell in which it was started."""
    return os.environ.get(PROGRAM) or _program(sys.argv[0])


def _program(started: str) -> str:
    path = Path(started).absolute()
    if path.name not in ("manage.py", "slamonitor"):  # a server, which takes no commands
        path = CHECKOUT / "manage.py" if not (CHECKOUT / "__init__.py").exists() else Path("slamonitor")
    if path.name == "slamonitor":  # of a wheel
        return path.name if shutil.which(path.name) else shlex.quote(str(path))
    return shlex.join(_near(each) for each in (Path(sys.executable), path))


def runnable(text: str) -> str:
    """Replace `manage.py` in advice by what starts this program, for this installation."""
    state = default_path()
    option = "" if state == home() or not state.is_dir() else f" {OPTION} {shlex.quote(_near(state))}"
    return ADVICE.sub(lambda found: _advice(found["command"], found["rest"], option), text)


def _advice(command: str, rest: str, option: str) -> str:
    return f"{program()}{command}{'' if OPTION in rest else option}"
