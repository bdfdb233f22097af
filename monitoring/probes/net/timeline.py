"""Measure the phases of one request, and how far it got."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from monitoring.probes.model import MeasuredRequest, Phases


class Stage(IntEnum):
    """The phases of a request, in order."""

    DNS = 0
    CONNECT = 1
    TLS = 2
    FIRST_BYTE = 3
    HEADERS = 4
    BODY = 5
    TEXT = 6  # instead of headers and body, if it is not HTTP


class Hop:
    """One running request: its measured times and its progress.

    `clock` is monotonic, in seconds, and finer than uvloop's `loop.time()`, which counts whole milliseconds and
    stands still during a turn of the loop.
    """

    __slots__ = ("_clock", "_ended", "_since", "_spent_ms", "_started", "certificate_ends_at_s", "chain", "host",
                 "is_certificate_asked", "method", "peer", "remarks", "stage", "started_at_ms", "status_code",
                 "url")  # fmt: skip

    def __init__(self, *, url: str, host: str, method: str, started_at_ms: int, clock: Callable[[], float]) -> None:
        self.url = url
        self.host = host
        self.method = method
        self.started_at_ms = started_at_ms
        self.stage = Stage.DNS
        self.peer = ""  # "10.0.0.5:443", once an address is being dialled
        self.status_code: int | None = None
        self.is_certificate_asked = False  # whether the server still has to judge our certificate, or its absence
        self.remarks: tuple[str, ...] = ()  # for people: what is not as it should be, but no failure
        self.chain: Sequence[Mapping[str, Any]] = ()  # the certificates of its TLS connection; see `tls.Peer`
        self.certificate_ends_at_s: int | None = None  # Unix time at which the first of these expires
        self._clock = clock
        self._started = self._since = clock()
        self._ended: float | None = None
        self._spent_ms: dict[Stage, float] = {}

    def enter(self, stage: Stage) -> None:
        """End the current phase and begin the next."""
        now = self._clock()
        self._spent_ms[self.stage] = (now - self._since) * 1000
        self.stage = stage
        self._since = now

    def end(self) -> None:
        """Stop measuring; the current phase stays unfinished."""
        if self._ended is None:
            self._ended = self._clock()

    def note(self, words: str) -> None:
        """Add a remark."""
        self.remarks = (*self.remarks, words)

    def phases(self) -> Phases:
        """Return the finished phases, and the time until `end`."""
        spent = self._spent_ms.get
        return Phases(
            dns_ms=spent(Stage.DNS),
            connect_ms=spent(Stage.CONNECT),
            tls_ms=spent(Stage.TLS),
            first_byte_ms=spent(Stage.FIRST_BYTE),
            total_ms=((self._ended or self._clock()) - self._started) * 1000,
        )

    def measured(self, error_message: str | None, redact: Callable[[str], str] | None = None) -> MeasuredRequest:
        """Return the hop as a value, without secrets that a redirect may have put into its URL."""
        return MeasuredRequest(
            started_at_ms=self.started_at_ms,
            url=redact(self.url) if redact else self.url,
            method=self.method,
            status_code=self.status_code,
            error_message=error_message,
            phases=self.phases(),
            certificate_ends_at_s=self.certificate_ends_at_s,
        )


def total(parts: Sequence[Phases], total_ms: float) -> Phases:
    """Add up the phases of an attempt's requests."""
    return Phases(
        dns_ms=_add(part.dns_ms for part in parts),
        connect_ms=_add(part.connect_ms for part in parts),
        tls_ms=_add(part.tls_ms for part in parts),
        first_byte_ms=_add(part.first_byte_ms for part in parts),
        total_ms=total_ms,
    )


def longest(phases: Phases) -> str:
    """Return the longest phase for a message, `, of which 800 ms to connect`, or an empty text if none is known."""
    known = {
        "to resolve the name": phases.dns_ms,
        "to connect": phases.connect_ms,
        "for the TLS handshake": phases.tls_ms,
        "to the first byte": phases.first_byte_ms,
    }
    spent = {words: value for words, value in known.items() if value is not None}
    spent["for the body and redirects"] = phases.total_ms - sum(spent.values())
    words, value = max(spent.items(), key=lambda item: item[1])
    return f", of which {value:.0f} ms {words}"


def _add(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
