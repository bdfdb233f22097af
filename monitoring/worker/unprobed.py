"""Services that a worker cannot probe for a reason of our own: noted here, told in its stamps.

Either our rules forbid their addresses, or our DNS servers don't work. Neither is an outage: no check is stored, and
the time is unknown.
"""

import logging
import threading
from collections.abc import Mapping

logger = logging.getLogger(__name__)

MOST = 50  # services that are named; all are counted (`refused` among the counters of the probe loop)


class Unprobed:
    """Notes from the probe loop, read by the thread that sends stamps."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}
        self._lock = threading.Lock()

    def note(self, service_id: str, why: str) -> None:
        """Remember why; the log says so once."""
        with self._lock:
            if self._why.get(service_id) == why or (service_id not in self._why and len(self._why) >= MOST):
                return
            self._why[service_id] = why
        logger.error("service not probed", extra={"service_id": service_id, "why": why})

    def forget(self, service_id: str) -> None:
        if self._why:
            with self._lock:
                self._why.pop(service_id, None)

    def shown(self) -> Mapping[str, str]:
        with self._lock:
            return dict(self._why)


unprobed = Unprobed()  # our rules forbid the address
unresolved = Unprobed()  # our DNS servers don't work
