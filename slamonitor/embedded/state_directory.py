"""The folder of one installation: its databases, its secrets, and the lock of the `up` that uses it.

Settings import this module, so it uses the standard library only and does nothing when imported.
"""

import contextlib
import fcntl
import os
import secrets
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from slamonitor.running.child import is_alive

CHECKOUT = Path(__file__).resolve().parents[2]
IS_INSTALLED = (CHECKOUT / "__init__.py").exists()  # from a wheel (`deploy/wheel.py`), and not a checkout
HEADER = "# Written by `manage.py up`. Use it with:  set -a; . {path}; psql\n"


class EmbeddedError(Exception):
    """An embedded server cannot be started; the message says what, why, and what to do."""


class StateDirectoryInUse(EmbeddedError):
    """Another `manage.py up` runs on this state directory."""


def home() -> Path:
    """Return the default state directory: `var/` of a checkout, else a folder for data in the user's home."""
    if not IS_INSTALLED:
        return CHECKOUT / "var"
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if data.startswith("/") else Path.home() / ".local" / "share") / "slamonitor"


def default_path() -> Path:
    """Return the state directory of this environment, which need not exist."""
    return Path(os.environ.get("SLAMONITOR_STATE_DIR") or home()).absolute()


def read_env(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the `env` file of a state directory; an installation that was never started has none.

    A file of another user is skipped, too: commands that read settings need no values, and `up` reports the problem.
    """
    try:
        lines = (Path(path) / "env").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """An existing state directory. Make one with `StateDirectory.create`."""

    path: Path

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> "StateDirectory":
        """Create the folder if missing; existing folders keep their mode."""
        state = cls(Path(path).absolute())
        # If we are root, the servers run as another user, who must be able to pass; everything in it is closed itself.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        if state.path.is_dir():
            state._require_writable()
            return state
        try:
            state.path.parent.mkdir(parents=True, exist_ok=True)
            state.path.mkdir(mode=mode)
            state.path.chmod(mode)  # in spite of the umask
        except OSError as error:
            raise EmbeddedError(
                f"The state directory {state.path} cannot be created: {error.strerror}. "
                "Choose another one with --state-dir or SLAMONITOR_STATE_DIR."
            ) from error
        return state

    def env(self) -> dict[str, str]:
        """Read the values kept from earlier starts."""
        return read_env(self.path)

    def update_env(self, values: Mapping[str, str | None]) -> None:
        """Keep values for later starts and other commands; `None` removes one. The file is replaced as a whole."""
        merged = {name: value for name, value in {**self.env(), **values}.items() if value is not None}
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in merged.items()]
        fresh = self.path / "env.new"
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(HEADER.format(path=shlex.quote(str(self.path / "env"))) + "".join(lines))
        owner = self.path.stat()
        if os.geteuid() == 0 != owner.st_uid:
            os.chown(fresh, owner.st_uid, owner.st_gid)
        fresh.replace(self.path / "env")

    def secret(self, name: str) -> str:
        """Return the secret of this name, which is created at the first call."""
        value = self.env().get(name)
        if not value:
            value = secrets.token_urlsafe(48)
            self.update_env({name: value})
        return value

    @contextlib.contextmanager
    def lock(self, patience_s: float = 10.0) -> Iterator[int]:
        """Hold this state directory for one `up`; yield the descriptor that holds it.

        The lock is the kernel's, so it goes with its holders and is never stale. A process that
        still cleans up after a killed `up` inherits it, and gets `patience_s` seconds to end. Raises
        `StateDirectoryInUse`.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(descriptor, self.path, time.monotonic() + patience_s)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield descriptor
        finally:
            os.close(descriptor)

    def _require_writable(self) -> None:
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise EmbeddedError(
                f"The state directory {self.path} belongs to user id {self.path.stat().st_uid} and is closed to you. "
                "Run as that user, or choose another one with --state-dir or SLAMONITOR_STATE_DIR."
            )


def _take(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 20, 0).decode().strip() or "?"
            if (pid.isdecimal() and is_alive(int(pid))) or time.monotonic() > deadline:
                raise StateDirectoryInUse(
                    f"Another monitor (process {pid}) already uses the state directory {path}. "
                    f"Stop it first (kill {pid}), or choose another one with --state-dir."
                ) from None
        time.sleep(0.1)
