"""The names that the machine itself gives to addresses (hosts(5))."""

from collections.abc import Iterable
from pathlib import Path

from monitoring.probes.net.address import literal

HOSTS_FILE = Path("/etc/hosts")


def system_hosts(path: Path = HOSTS_FILE) -> dict[str, tuple[str, ...]]:
    """Read a hosts file; one that is missing has no names."""
    try:
        return parse_hosts(path.read_text(errors="replace").splitlines())
    except OSError:
        return {}


def parse_hosts(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each name, in the order of the lines."""
    hosts: dict[str, tuple[str, ...]] = {}
    for line in lines:
        address_text, *names = line.partition("#")[0].split() or [""]
        address = literal(address_text)
        if address is None:
            continue
        for name in names:
            known = hosts.get(name.lower(), ())
            hosts[name.lower()] = known if address in known else (*known, address)
    return hosts
