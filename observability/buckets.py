"""Limit actions of visitors without an account: buckets in the memory of one process, refilled evenly."""

import ipaddress
import threading
from collections import OrderedDict
from functools import lru_cache

LONGEST_KEY = 64


class Buckets:
    """A bucket for each key. If there are too many keys, the least recently used are dropped and later start full.

    The generic cell rate algorithm (ITU-T I.371, annex A) stores only the instant at which a bucket will be full again.
    """

    def __init__(self, size: int, refilled_every_s: float, most_keys: int = 1) -> None:
        self._size, self._step_s, self._most_keys = size, refilled_every_s, most_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, now_s: float) -> float:
        """Take one and return 0, or return the seconds until there is one. `now_s` comes from any monotonic clock."""
        with self._lock:
            full_at = max(now_s, self._full_at.pop(key, now_s))
            missing_s = full_at + self._step_s - self._size * self._step_s - now_s
            self._full_at[key] = full_at if missing_s > 0 else full_at + self._step_s
            if len(self._full_at) > self._most_keys:
                self._full_at.popitem(last=False)
        return max(0.0, missing_s)

    def __len__(self) -> int:
        return len(self._full_at)


@lru_cache(maxsize=4096)
def neighbourhood(address: str) -> str:
    """Return the key for an address's bucket: the address, or for IPv6 its /64, all of which one machine may use."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # of a Unix socket, or as some proxies write it
        return address[:LONGEST_KEY]
    # A server that listens on both writes IPv4 as a part of IPv6, all of it in one /64.
    ipv4 = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else found
    return str(ipv4 or ipaddress.ip_network((found, 64), strict=False))
