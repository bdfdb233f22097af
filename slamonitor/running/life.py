"""Check over HTTP whether a process is alive, without waiting for the answer."""

import contextlib
import socket

ASKED_EVERY_S = 2.0
SILENT_S = 10.0  # after which a process that has answered before counts as hanging
AWAY_S = 3.0  # since the last call: this process stalled, so silence proves nothing
QUESTION = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Life:
    """Check whether a listening process answers. It has time to start: silence counts from its first answer."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._asking: socket.socket | None = None
        self._unsaid = b""  # the unsent part of the request
        self._asked_at = self._called_at = 0.0
        self._answered_at: float | None = None

    def is_silent(self, now_s: float) -> bool:
        """Continue the running request, or send another; return whether there was no answer for too long."""
        if now_s - self._called_at > AWAY_S and self._answered_at is not None:
            self._answered_at = now_s
        self._called_at = now_s
        if self._asking is not None and self._has_answered():
            self._answered_at = now_s
            self.close()
        if now_s - self._asked_at >= ASKED_EVERY_S:
            self._ask(now_s)
        return self._answered_at is not None and now_s - self._answered_at > SILENT_S

    def close(self) -> None:
        if self._asking is not None:
            self._asking.close()
            self._asking = None

    def _ask(self, now_s: float) -> None:
        self.close()
        self._asked_at = now_s
        host, _port = self._address
        asking = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        asking.setblocking(False)
        self._asking, self._unsaid = asking, QUESTION
        with contextlib.suppress(OSError):  # BlockingIOError: under way; others: as good as no answer
            asking.connect(self._address)

    def _has_answered(self) -> bool:
        assert self._asking is not None
        try:
            self._unsaid = self._unsaid[self._asking.send(self._unsaid) :] if self._unsaid else b""
            return self._asking.recv(9).startswith(b"HTTP/1.1")
        except OSError:  # not connected yet, nothing to read yet, or refused
            return False
