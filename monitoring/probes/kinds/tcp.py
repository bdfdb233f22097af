"""The TCP probe: connect, and optionally send a text and wait for an answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from monitoring.probes.attempt import Attempt
from monitoring.probes.every_address import look_along
from monitoring.probes.failures import lost_words, printable
from monitoring.probes.kind import Kind
from monitoring.probes.model import Finding, ProbeResult, ProbeSpec, Verdict
from monitoring.probes.net.connect import connect, doors_of
from monitoring.probes.net.connection import Connection
from monitoring.probes.net.route import ALL, addresses, route_of
from monitoring.probes.net.timeline import Hop, Stage
from monitoring.probes.settings import Notes, Problem, Settings, degraded_over, is_text, setting
from monitoring.probes.target import Port, Target, read_target
from monitoring.probes.tools import Tools

SENT_BYTES = 4_096
ANSWER_BYTES = 64 * 1024  # in which the expected text must come
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.?))", re.DOTALL)
_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


def escaped(value: Any, notes: Notes) -> bytes:
    r"""Read text with the escapes `\r \n \t \0 \\ \xNN` into bytes. A `Reader`."""
    if not is_text(value, notes):
        return b""
    out, position = bytearray(), 0
    for match in _ESCAPE.finditer(value):
        out += value[position : match.start()].encode()
        position = match.end()
        if match[1] is not None:
            out += bytes.fromhex(match[1])
        elif match[2] in _ESCAPES:
            out += _ESCAPES[match[2]]
        else:
            message = r"%(escape)s is not a known escape. Available: \r, \n, \t, \0, \xNN, and \\ for a backslash."
            notes.add(message, value, escape=match[0])
    out += value[position:].encode()
    if not 0 < len(out) <= SENT_BYTES:
        notes.add("it is empty or longer than %(length)s bytes.", value, length=SENT_BYTES)
    return bytes(out)


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSettings(Settings):
    """Settings of `kind: tcp`."""

    send: bytes | None = setting(
        None,
        label="Send",
        help=r"Data to send after connecting; \r, \n, \t, \0, \\ and \xNN stand for bytes.",
        reader=escaped,
        example=r"PING\r\n",
    )
    expect: bytes | None = setting(
        None,
        label="Expect",
        help="Data that the first 64 KiB of the response must contain; same escapes as in send.",
        reader=escaped,
        example="PONG",
    )
    addresses: str = addresses()
    degraded_over_ms: int | None = degraded_over()

    def problems(self) -> Iterator[Problem]:
        if self.send is not None and self.expect is None:
            yield Problem("send", None, "the response would not be read. Set expect as well.")


class Expected:
    """Looks for bytes in what arrives. A `connection.Reading`."""

    def __init__(self, hop: Hop, wanted: bytes) -> None:
        self.is_complete = False
        self._hop = hop
        self._wanted = wanted
        self._received = bytearray()

    def feed(self, data: bytes) -> None:
        if self._hop.stage is Stage.FIRST_BYTE:
            self._hop.enter(Stage.TEXT)
        start = max(0, len(self._received) - len(self._wanted))
        self._received += data
        self.is_complete = self._wanted in self._received[start:ANSWER_BYTES]
        if not self.is_complete and len(self._received) >= ANSWER_BYTES:
            self.cut()

    def feed_eof(self, error: Exception | None = None) -> None:
        raise httpx.ReadError(f"{lost_words(error, self._hop)}{self._heard()}")

    def cut(self) -> None:
        raise httpx.ReadError(f"{self._hop.peer} did not send {_quoted(self._wanted)}{self._heard()}")

    def close(self) -> None:
        self._received.clear()

    def _heard(self) -> str:
        return f"; it sent {_quoted(bytes(self._received[:60]))}" if self._received else ""


async def probe(spec: ProbeSpec, settings: TcpSettings, tools: Tools, lateness_ms: float = 0.0) -> ProbeResult:
    """Connect once."""
    attempt = Attempt(spec, tools, lateness_ms)

    async def look() -> Finding:
        target = _read_target(spec.url)
        if settings.addresses != ALL:
            return await look_at(attempt)
        route = route_of(target.host, target.port or 0, None)
        return await look_along(attempt, look_at, route, settings, url=spec.url, method="TCP")

    async def look_at(branch: Attempt) -> Finding:
        target = _read_target(spec.url)
        hop = branch.begin(spec.url, target.host, "TCP")
        doors, port = await doors_of(target.host, target.port or 0, branch.tools)
        hop.enter(Stage.CONNECT)
        wanted = settings.expect or b""
        connection = await connect(doors, port, lambda: Connection(hop, Expected(hop, wanted)), hop)
        try:
            hop.enter(Stage.FIRST_BYTE)
            if wanted:
                await connection.exchange(settings.send or b"")
            return Finding(Verdict.OK)
        finally:
            connection.abort()

    return await attempt.run(look, degraded_over_ms=settings.degraded_over_ms)


def _read_target(url: str) -> Target:
    return read_target(url, "tcp", Port.NEEDED)


def _quoted(text: bytes) -> str:
    return f'"{printable(text.decode(errors="replace"), 60)}"'


KIND = Kind(
    name="tcp",
    label="TCP port",
    settings=TcpSettings,
    schemes=("tcp",),
    check_url=_read_target,
    probe=probe,
)
