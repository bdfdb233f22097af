"""Parse targets that are not web addresses: `tcp://host:port`, `dns://name`."""

import re
from enum import Enum
from typing import Any, NamedTuple

import httpx

from monitoring.probes.net.names import parse_url, to_ascii
from monitoring.probes.settings import Notes

_HOST = re.compile(r"(?!.{254})[0-9A-Za-z_-]{1,63}(?:\.[0-9A-Za-z_-]{1,63})*")


class Port(Enum):
    """Whether the address of a kind has a port."""

    NEEDED = "needed"
    OPTIONAL = "optional"
    NONE = "none"


class Target(NamedTuple):
    """A host in its ASCII form, and a port if given."""

    host: str
    port: int | None


def is_host_name(name: str) -> bool:
    """Return whether a text is a host name in its ASCII form."""
    return _HOST.fullmatch(name.removesuffix(".")) is not None


def read_host(value: Any, notes: Notes) -> str:
    """Read a host name and return its ASCII form. A settings `Reader`."""
    try:
        name = to_ascii(value) if isinstance(value, str) else ""
    except httpx.InvalidURL:
        name = ""
    if not _HOST.fullmatch(name):
        notes.add("%(value)s is not a host name. Enter one like www.example.com.", value)
    return name


def read_target(text: str, scheme: str, port: Port) -> Target:
    """Read the `endpoint_url` of a service. Raises `httpx.InvalidURL` or `httpx.UnsupportedProtocol`."""
    example = f"{scheme}://name" if port is Port.NONE else f"{scheme}://name:port"
    url = parse_url(text)
    if url.scheme != scheme:
        raise httpx.UnsupportedProtocol(f"address does not have the form {example}")
    if not url.raw_host:
        raise httpx.InvalidURL("address has no host")
    if url.userinfo or url.query or url.fragment or url.path.strip("/"):
        raise httpx.InvalidURL(f"address has more in it than {example}")
    if (url.port is None and port is Port.NEEDED) or (url.port is not None and port is Port.NONE):
        raise httpx.InvalidURL(f"address does not have the form {example}")
    if url.port is not None and not 0 < url.port < 65536:
        raise httpx.InvalidURL("address has a port outside 1–65535")
    return Target(url.raw_host.decode("ascii"), url.port)
