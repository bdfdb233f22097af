"""The DNS servers of this machine, and how to ask them: resolv.conf(5), read as glibc reads it."""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace

from monitoring.probes.net.address import literal

Nameserver = tuple[str, int]

MOST_SERVERS = 3  # MAXNS of glibc, which ignores further ones
MOST_DOTS, LONGEST_S, MOST_ATTEMPTS = 15, 30, 5  # of the options; a larger number means this one
LOCAL = ("127.0.0.1", 53)
_NUMBER = re.compile(r"[ \t]*([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvConf:
    """The content of a resolv.conf. The defaults are those of glibc, except for the two times.

    glibc waits 5 s before it asks the next server, which is the whole timeout of most checks.
    """

    servers: tuple[Nameserver, ...] = ()
    search: tuple[str, ...] = ()  # without final dots; "" is the root
    ndots: int = 1  # a name with so many dots is tried as it is before it is searched
    attempt_s: float = 1.0  # before the next server is asked
    attempts: int | None = None  # of each server; None: until the timeout of the check
    rotate: bool = False  # begin with another server each time
    use_tcp: bool = False
    edns0: bool = False
    no_aaaa: bool = False
    no_tld_query: bool = False  # a name without a dot is only searched


def parse_resolv_conf(text: str, environ: Mapping[str, str] = os.environ, hostname: str | None = None) -> ResolvConf:
    """Read a resolv.conf and the variables LOCALDOMAIN and RES_OPTIONS; what is wrong in it is ignored."""
    servers: list[Nameserver] = []
    search: list[str] | None = environ["LOCALDOMAIN"].split() if environ.get("LOCALDOMAIN") else None
    is_search_given = search is not None
    options: list[str] = []
    for keyword, rest in _lines(text):
        if keyword == "nameserver" and (address := literal(rest.split()[0])):
            servers.append((address, 53))
        elif keyword in ("search", "domain") and not is_search_given:
            search = rest.split() if keyword == "search" else rest.split()[:1]
        elif keyword == "options":
            options += rest.split()
    if search is None:  # the domain of this machine
        search = [(hostname if hostname is not None else socket.gethostname()).partition(".")[2]]
    found = ResolvConf(
        servers=tuple(servers[:MOST_SERVERS]) or (LOCAL,),
        search=tuple(dict.fromkeys(name.lower().removesuffix(".") for name in search if name)),
    )
    for option in [*options, *environ.get("RES_OPTIONS", "").split()]:
        found = _with_option(found, option)
    return found


def _lines(text: str) -> list[tuple[str, str]]:
    """Return keyword and value of each line; a line that begins with a blank, `#` or `;` has none."""
    found = [re.match(r"([a-z]+)[ \t]+(.*\S)", line) for line in text.splitlines()]
    return [(match[1], match[2]) for match in found if match]


def _with_option(conf: ResolvConf, option: str) -> ResolvConf:
    name, _, value = option.partition(":")
    number = int(match[1][:9]) if (match := _NUMBER.match(value)) else 0
    match name:
        case "ndots":
            return replace(conf, ndots=min(number, MOST_DOTS))
        case "timeout":
            return replace(conf, attempt_s=float(min(max(number, 1), LONGEST_S)))
        case "attempts":
            return replace(conf, attempts=min(max(number, 1), MOST_ATTEMPTS))
        case "rotate":
            return replace(conf, rotate=True)
        case "use-vc":
            return replace(conf, use_tcp=True)
        case "edns0" | "trust-ad":
            return replace(conf, edns0=True)
        case "no-aaaa":
            return replace(conf, no_aaaa=True)
        case "no-tld-query" | "no_tld_query":
            return replace(conf, no_tld_query=True)
    return conf


def candidates(host: str, conf: ResolvConf) -> tuple[str, ...]:
    """Return the names to look up for a host in lower case, in glibc's order. A final dot is never searched."""
    name = host.removesuffix(".")
    if name != host or not conf.search:
        return (name,)
    dots = name.count(".")
    searched = [f"{name}.{domain}" if domain else name for domain in conf.search]
    last = [] if conf.no_tld_query and not dots else [name]
    return tuple(dict.fromkeys([name, *searched] if dots >= conf.ndots else [*searched, *last]))
