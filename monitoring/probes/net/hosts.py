"""The names that the machine itself gives to addresses (hosts(5))."""

from collections.abc import Iterable
from ipaddress import ip_address


def parse_hosts(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each name, in the order of the lines; a line without an address is ignored."""
    hosts: dict[str, tuple[str, ...]] = {}
    for line in lines:
        address_text, *names = line.partition("#")[0].split() or [""]
        try:
            address = str(ip_address(address_text))  # as inet_pton: no `127.1`
        except ValueError:
            continue
        for name in names:
            known = hosts.get(name.lower(), ())
            hosts[name.lower()] = known if address in known else (*known, address)
    return hosts
