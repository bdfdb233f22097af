"""Where the connections of a check go, if not simply to where the name of the target leads."""

from dataclasses import dataclass
from typing import Any

import httpx

from monitoring.probes.net.address import literal
from monitoring.probes.settings import Notes, setting
from monitoring.probes.target import Port, Target, is_host_name, read_target

ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A detour for connections to the target's own host; those that a redirect leads to elsewhere take none."""

    host: str
    port: int
    to_host: str
    to_port: int | None = None  # None: the detour is for all ports of the host, and the port stays
    address: str | None = None  # the only one to dial, which our rules allow

    def leads(self, host: str, port: int) -> bool:
        """Return whether connections to a host and port take the detour."""
        return host == self.host and (self.to_port is None or port == self.port)


def route_of(host: str, port: int, to: Target | None) -> Route:
    """Return the detour to `to`, or the way straight to the host."""
    return Route(host=host, port=port, to_host=to.host if to else host, to_port=to.port if to else None)


def addresses() -> Any:
    """Make the setting `addresses`."""
    return setting(
        "any",
        label="Addresses",
        help="Whether one address of the name must be good (any), or each is checked and must be good (all).",
        choices=("any", ALL),
    )


def connect_to() -> Any:
    """Make the setting `connect_to`."""
    return setting(
        None,
        label="Connect to",
        help="Host or host:port to connect to; the name in the URL is still requested, and verified in the"
        " certificate.",
        reader=read_door,
        example="192.0.2.10:8443",
    )


def read_door(value: Any, notes: Notes) -> Target:
    """Read a host and perhaps a port. A settings `Reader`."""
    text = value.strip() if isinstance(value, str) else ""
    if ":" in (literal(text) or ""):
        text = f"[{text}]"
    try:
        found = read_target(f"tcp://{text}", "tcp", Port.OPTIONAL)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        found = Target("", None)
    if literal(found.host) is None and not is_host_name(found.host):
        notes.add("%(value)s is not a host to connect to. Enter host, host:port or [IPv6]:port.", value)
    return found
