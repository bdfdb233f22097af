"""The files of this machine about names: resolv.conf and the hosts file, read again when they change."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from monitoring.probes.net.hosts import parse_hosts
from monitoring.probes.net.resolv_conf import Nameserver, ResolvConf, parse_resolv_conf

RESOLV_CONF = Path("/etc/resolv.conf")
HOSTS = Path("/etc/hosts")
LOOK_EVERY_S = 1.0

Signature = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Names:
    """Both files as they were read."""

    conf: ResolvConf
    hosts: Mapping[str, tuple[str, ...]]


class SystemNames:
    """Read both files. Given `servers` take the place of those in resolv.conf; `clock` is monotonic seconds."""

    def __init__(
        self,
        servers: tuple[Nameserver, ...] = (),
        *,
        resolv_conf: Path = RESOLV_CONF,
        hosts: Path = HOSTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers, self._paths, self._clock = servers, (resolv_conf, hosts), clock
        self._signatures: list[Signature] = []
        self._look_at = clock()

    def changed(self) -> Names | None:
        """Return the files if they changed since the last call, also the first time; looks at most once a second."""
        now = self._clock()
        if now < self._look_at:
            return None
        self._look_at = now + LOOK_EVERY_S
        signatures = [_signature(path) for path in self._paths]  # before reading: a later change is then seen next time
        if signatures == self._signatures:
            return None
        self._signatures = signatures
        resolv_conf, hosts = map(_text, self._paths)
        conf = parse_resolv_conf(resolv_conf)
        conf = replace(conf, servers=self._servers) if self._servers else conf
        return Names(conf, parse_hosts(hosts.splitlines()))


def _signature(path: Path) -> Signature:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # as for glibc: the local server, no names
