"""Decide which addresses a probe may connect to, after resolution, for the very address that is then used."""

import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """The addresses beyond public ones that the operator allows."""

    allow_private: bool = True  # RFC 1918, ULA, carrier-grade NAT and loopback; the setting PROBE_ALLOW_PRIVATE


def _networks(*texts: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in texts)


# Answered by the host or hypervisor with credentials of the machine: worth more to an attacker than any check to us.
METADATA = _networks(
    "169.254.169.254/32",  # AWS, Azure, GCP, DigitalOcean and most others
    "169.254.170.2/32",  # AWS task credentials
    "168.63.129.16/32",  # Azure's wire server, a public address
    "100.100.100.200/32",  # Alibaba, inside carrier-grade NAT
    "192.0.0.192/32",  # Oracle
    "fd00:ec2::254/128",  # AWS, inside ULA
    "fd20:ce::254/128",  # GCP, inside ULA
)
PRIVATE = _networks(
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fc00::/7", "fec0::/10"
)  # fmt: skip
LOOPBACK = _networks("127.0.0.0/8", "::1/128")
# First match names the reason, so the narrow ones come first.
REFUSED = (
    ("cloud metadata", METADATA),
    ("link-local", _networks("169.254.0.0/16", "fe80::/10")),
    ("unspecified", _networks("0.0.0.0/8", "::/128")),
    ("multicast", _networks("224.0.0.0/4", "ff00::/8")),
    ("broadcast", _networks("255.255.255.255/32")),
    ("reserved", _networks("240.0.0.0/4", "192.0.0.0/24")),
)
GLOBAL_V6 = ip_network("2000::/3")
NAT64 = ip_network("64:ff9b::/96")
LOCAL_NAT64 = ip_network("64:ff9b:1::/48")  # RFC 8215: a network chooses how long a prefix it makes of this
LOCAL_NAT64_PREFIXES = (48, 56, 64)  # and 96, where the address is at the end, as elsewhere
THIS_NETWORK = ip_network("0.0.0.0/8")
IPV4_COMPATIBLE = ip_network("::/96")

# A host is an IPv4 number when its last label is one (WHATWG URL, "ends in a number"); inet_aton knows all the forms.
_NUMERIC_HOST = re.compile(r"(?:[0-9a-fx]+\.)*(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE | re.ASCII)


@lru_cache(maxsize=4096)
def literal(host: str) -> str | None:
    """Return the address that a host spells in any notation (`2130706433`, `0x7f.1`), or None for a name."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    if _NUMERIC_HOST.fullmatch(host) is None:
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(host.removesuffix(".")))
    except OSError:
        return None


@lru_cache(maxsize=4096)
def refusal(address: str, policy: AddressPolicy) -> str | None:
    """Return why an address must not be connected to, or None if it may be.

    An address that carries another (IPv4-mapped, 6to4, NAT64, Teredo) is judged by every address in it.
    """
    for one in unwrap(ip_address(address.partition("%")[0])):
        if reason := _reason(one, policy):
            carried = "" if str(one) == address else f", which leads to {one}"
            return f"refused to connect to {address}{carried}: {reason}"
    return None


def unwrap(address: Address) -> tuple[Address, ...]:
    """Return the addresses to judge in place of one: those it carries, or itself."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in LOCAL_NAT64:
        return _of_local_nat64(address)
    if address in NAT64 or (address in IPV4_COMPATIBLE and int(address) > 1):
        return (_last_bits(address),)
    return (address,)


def _of_local_nat64(address: IPv6Address) -> tuple[Address, ...]:
    """Return every IPv4 address that a translator may read (RFC 6052, 2.2); what follows the right one says nothing."""
    packed = address.packed[:8] + address.packed[9:]  # without the octet that is always zero
    found = [IPv4Address(packed[length // 8 : length // 8 + 4]) for length in LOCAL_NAT64_PREFIXES]
    likely = tuple(one for one in (*found, _last_bits(address)) if one not in THIS_NETWORK)
    return likely or (_last_bits(address),)


def _last_bits(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFF_FFFF)


def _reason(address: Address, policy: AddressPolicy) -> str | None:
    for kind, networks in REFUSED:
        if any(address in network for network in networks):
            return f"{kind} addresses are never probed"
    for kind, networks in (("private", PRIVATE), ("loopback", LOOPBACK)):
        if any(address in network for network in networks):
            remedy = f"it is a {kind} address; set PROBE_ALLOW_PRIVATE=true to probe such addresses"
            return None if policy.allow_private else remedy
    if address.version == 6 and address not in GLOBAL_V6:
        return "reserved addresses are never probed"
    return None
