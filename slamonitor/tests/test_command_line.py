"""The command line: it finds the running installation, and every line that it advises works."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError

from observability.version import VERSION
from slamonitor import command_line
from slamonitor.command_help import EXAMPLES, GROUPS, Utility
from slamonitor.command_line import DATABASE, our_commands, runnable, take_state_dir
from slamonitor.embedded import installations
from slamonitor.embedded.state_directory import CHECKOUT, StateDirectory

APPS = ("accounts", "database", "incidents", "monitoring", "observability", "slamonitor", "statuspage")
HIDDEN = (*DATABASE, "SLAMONITOR_STATE_DIR", "SLAMONITOR_PROGRAM", "SLAMONITOR_MAKE_GOAL", "REDIS_URL", "SECRET_KEY")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A default state directory of our own, as of a shell without settings."""
    for name in HIDDEN:
        monkeypatch.delenv(name, raising=False)
    for module in (command_line, installations):
        monkeypatch.setattr(module, "home", lambda: tmp_path)
    monkeypatch.setattr(command_line, "default_path", lambda: Path(os.environ.get("SLAMONITOR_STATE_DIR") or tmp_path))
    monkeypatch.setattr(sys, "argv", ["manage.py"])
    monkeypatch.chdir(CHECKOUT)
    yield tmp_path
    os.environ.pop("SLAMONITOR_STATE_DIR", None)  # commands set it


@contextlib.contextmanager
def up(path: Path) -> Iterator[Path]:
    """Hold a state directory as `manage.py up` does, with a database in its file."""
    state = StateDirectory.create(path)
    with state.lock(), installations.registered(path):
        (path / "servers" / "postgres").mkdir(parents=True, exist_ok=True)
        state.update_env({"DATABASE_URL": "postgresql:///sla_monitor"})
        yield path


def chosen(*arguments: str) -> str:
    os.environ.pop("SLAMONITOR_STATE_DIR", None)
    try:
        command_line.choose_installation(["manage.py", *arguments])
        return os.environ.get("SLAMONITOR_STATE_DIR", "")
    finally:
        os.environ.pop("SLAMONITOR_STATE_DIR", None)


@pytest.mark.parametrize("place", ["", "demo", "../elsewhere"])
def test_the_only_running_installation_is_used(home: Path, place: str) -> None:
    with up((home / place).resolve()) as state:
        assert chosen("seed") == str(state)

    with pytest.raises(LookupError, match=r"is not running|does not exist"):
        chosen("seed")


def test_several_running_installations_are_listed_as_lines_to_paste(home: Path) -> None:
    with up(home), up(home / "demo"), pytest.raises(LookupError) as refused:
        chosen("changepassword", "the admin")

    lines = [shlex.split(line) for line in str(refused.value).splitlines()[1:]]
    assert [line[-4:] for line in lines] == [
        ["changepassword", "the admin", "--state-dir", str(path)] for path in (home, home / "demo")
    ]


def test_without_a_running_installation_the_start_is_advised(home: Path) -> None:
    with pytest.raises(LookupError, match=r"\n  make run\n"):
        chosen("changepassword", "admin")

    (home / "demo").mkdir()
    os.environ["SLAMONITOR_STATE_DIR"] = str(home / "demo")
    with pytest.raises(LookupError, match=r"\n  make demo\n"):
        command_line.choose_installation(["manage.py", "seed"])


def test_another_running_installation_is_proposed_for_one_that_is_not(home: Path) -> None:
    os.environ["SLAMONITOR_STATE_DIR"] = str(home / "typo")

    with up(home / "demo"), pytest.raises(LookupError, match=rf"does not exist.*\n.* seed --state-dir {home}/demo$"):
        command_line.choose_installation(["manage.py", "seed"])


@pytest.mark.parametrize("command", ["up", "run", "check", "help", "makemigrations", "check_sla_vectors", "doctor"])
def test_commands_without_data_need_no_installation(home: Path, command: str) -> None:
    assert chosen(command) == ""


def test_a_database_in_the_environment_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/x")

    with up(home / "demo"):
        assert chosen("seed") == ""


def test_the_last_state_directory_counts_for_every_command(home: Path) -> None:
    for command, kept in {"up": ["--state-dir=/b"], "seed": []}.items():
        argv = ["manage.py", command, "--state-dir", "/a", "--verbosity=1", "--state-dir=/b"]

        take_state_dir(argv)

        assert os.environ.pop("SLAMONITOR_STATE_DIR") == "/b"
        assert argv == ["manage.py", command, "--verbosity=1", *kept]


def test_a_state_directory_without_a_name_is_refused_with_an_example() -> None:
    with pytest.raises(SystemExit, match="for example: --state-dir var/demo"):
        take_state_dir(["manage.py", "seed", "--state-dir"])


def test_advice_names_what_starts_the_program_and_the_installation(home: Path) -> None:
    (home / "demo").mkdir()
    python = shlex.quote(command_line._near(Path(sys.executable)))
    advice = "Run: manage.py rollup --audit. In docs/manage.py nothing changes; or `manage.py up --state-dir x`."

    assert runnable("Run: manage.py migrate") == f"Run: {python} manage.py migrate"
    os.environ["SLAMONITOR_STATE_DIR"] = str(home / "demo")
    assert runnable(advice) == (
        f"Run: {python} manage.py rollup --state-dir {home}/demo --audit. In docs/manage.py nothing changes; or"
        f" `{python} manage.py up --state-dir x`."
    )
    assert runnable("manage.py migrate") == f"{python} manage.py migrate --state-dir {home}/demo"


def test_our_commands_come_first_and_once() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    text = Utility(["manage.py"]).main_help_text()

    assert len(grouped) == len(set(grouped))
    assert set(grouped) <= set(get_commands())
    ours, developers = text.split("For developers")
    assert [name for name in our_commands() if f"\n    {name} " not in ours] == []
    assert "makemigrations" in developers


def test_commands_that_texts_name_exist() -> None:
    """Remedies, help and pages of all apps, the only files that have `manage.py` in texts."""
    files = [path for app in (*APPS, "templates") for path in (CHECKOUT / app).rglob("*.[ph]*") if path.is_file()]
    texts = {path: path.read_text() for path in files if "tests" not in path.parts and path.suffix in (".py", ".html")}
    named = [
        (str(path.relative_to(CHECKOUT)), name)
        for path, text in texts.items()
        for name in re.findall(r"manage\.py ([a-z_]+)", text)
    ]

    assert len(named) > 40
    assert [(path, name) for path, name in named if name not in get_commands()] == []


def options_with_a_value() -> list[tuple[str, str]]:
    found = []
    for name in sorted(our_commands()):
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
        actions = [each for each in parser._actions if each.type and each.option_strings and each.dest != "verbosity"]
        found += [(name, action.option_strings[-1]) for action in actions]
    return found


@pytest.mark.parametrize(("command", "option"), options_with_a_value())
def test_an_unfit_value_is_answered_with_an_example(command: str, option: str) -> None:
    utility = Utility(["manage.py", command])
    parser = utility.fetch_command(command).create_parser("manage.py", command)
    if option == "--out":
        return  # every text is a path

    with pytest.raises(CommandError) as refused:
        parser.parse_args([f"{option}=no such value"])

    assert re.search(r"'no such value' is not valid\. Example: \S", str(refused.value))


@pytest.mark.parametrize(("command", "example"), EXAMPLES.items())
def test_examples_are_valid(command: str, example: str) -> None:
    name, *arguments = shlex.split(example)
    parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
    wanted = [option for of, option in options_with_a_value() if of == command and option != "--demo-targets-port"]

    parser.parse_args(arguments)

    assert name == command
    assert [option for option in wanted if option not in example] == []


def test_a_stranger_reads_one_line_instead_of_a_traceback(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    done = subprocess.run(
        [sys.executable, "manage.py", "changepassword", "admin", "--state-dir", str(tmp_path)],
        cwd=CHECKOUT, env=kept, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(f"The installation in {tmp_path} does not exist") and "--state-dir" in done.stderr


@pytest.mark.parametrize("words", ["--version", "version", "up --version", "sync_services --version"])
def test_version_is_ours(words: str, home: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "manage.py", *words.split()], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == VERSION
