"""Log and measure live connections: openings, closings, failures, messages, number and duration."""

import logging
import time
from typing import Any

from observability import metrics
from observability.events import Action, Subject, tell
from observability.harmless import harmless

logger = logging.getLogger(__name__)

_open = metrics.open_gauge("connections_open", "Live connections open now.", ["kind"])
_seconds = metrics.histogram(
    "connection_duration_seconds",
    "Duration of live connections; sum divided by count is the mean.",
    ["kind", "outcome"],
    buckets=(1, 10, 60, 300, 1800, 3600, 21_600, 86_400),
)
_messages = metrics.counter("messages_sent", "Messages sent over live connections.", ["kind", "type"])
_bytes = metrics.counter("message_bytes_sent", "Bytes of messages sent over live connections.", ["kind", "type"])


class Stream:
    """One live connection, from its opening. `kind` and the types of messages are few literals in the code."""

    def __init__(self, kind: str, **ids: Any) -> None:
        self._kind, self._ids, self._began, self._is_open = kind, ids, time.monotonic(), True
        with harmless("streams"):
            _open.labels(kind).inc()
        tell(Subject.CONNECTION, Action.OPENED, kind=kind, **ids)

    def sent(self, type: str, size_bytes: int) -> None:
        """Count a message."""
        with harmless("streams"):
            _messages.labels(self._kind, type).inc()
            _bytes.labels(self._kind, type).inc(size_bytes)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("message sent", extra={"kind": self._kind, "type": type, "bytes": size_bytes, **self._ids})

    def closed(self, reason: str) -> None:
        """Record a regular end; only the first end counts."""
        self._end(Action.CLOSED, logging.INFO, reason=reason)

    def failed(self, error: BaseException) -> None:
        """Record an end by an error."""
        self._end(Action.FAILED, logging.WARNING, reason=repr(error))

    def _end(self, action: Action, level: int, reason: str) -> None:
        if not self._is_open:
            return
        self._is_open = False
        took_s = time.monotonic() - self._began
        with harmless("streams"):
            _open.labels(self._kind).dec()
            _seconds.labels(self._kind, action.value).observe(took_s)
        facts = {"kind": self._kind, "reason": reason, "duration_ms": round(took_s * 1000, 3), **self._ids}
        tell(Subject.CONNECTION, action, level=level, **facts)
