"""The failures of targets: the exceptions inside a probe, with their error type and message."""

import errno

import httpx

from monitoring.probes.model import ErrorType, Finding, Verdict
from monitoring.probes.net.timeline import Hop, Stage


class ResolutionFailed(httpx.ConnectError):
    """The name of the target has no address."""


class NoVerdict(RuntimeError):
    """We could not ask for a reason that is not the target's, so there is no verdict about it, and no check."""

    outcome: str  # the name of the worker's counter


class NotAllowed(NoVerdict):
    """Our own rules forbid to connect to an address."""

    outcome = "refused"


class NoNameServer(NoVerdict):
    """Our own DNS servers refuse our questions, cannot be reached, or answer nobody."""

    outcome = "unresolved"


class NotKnown(NoVerdict):
    """A third party that knows about the target could not be asked."""

    outcome = "unknown"


# Exceptions caused by the target; all others from the transport are bugs of ours.
TARGET_ERRORS = (httpx.HTTPError, httpx.InvalidURL)

# Limits of our machine: they must be reported as errors of ours, never as downtime of a service.
OWN_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

MESSAGE_LENGTH = 500  # characters; messages contain text from targets, which must not fill the database

_CLASSES: tuple[tuple[type[Exception], ErrorType], ...] = (
    (ResolutionFailed, ErrorType.DNS),
    (httpx.TimeoutException, ErrorType.TIMEOUT),
    (httpx.NetworkError, ErrorType.CONNECTION),
    (httpx.RemoteProtocolError, ErrorType.HTTP),
    (httpx.DecodingError, ErrorType.HTTP),
    (httpx.TooManyRedirects, ErrorType.HTTP),
    (httpx.UnsupportedProtocol, ErrorType.HTTP),
)


def bad(error_type: ErrorType, message: str) -> Finding:
    """Return the finding of a failure; the message is made safe to store and show."""
    return Finding(Verdict.BAD, error_type, printable(message, MESSAGE_LENGTH))


def classify(error: Exception) -> Finding:
    """Return the finding for one of `TARGET_ERRORS`."""
    for kind, error_type in _CLASSES:
        if isinstance(error, kind):
            return bad(error_type, str(error))
    return bad(ErrorType.UNKNOWN, str(error))


def out_of_time(hop: Hop, timeout_ms: int, dns_servers: str, name: str) -> Finding:
    """Return the finding with the phase in which the total deadline fired; in name resolution, it is a DNS failure.

    `name` is the one that was being resolved in that case.
    """
    limit = seconds(timeout_ms)
    if hop.stage is Stage.DNS:
        return bad(ErrorType.DNS, f"{name} was not resolved within {limit}: no answer from {dns_servers}")
    where = {
        Stage.CONNECT: f"connecting to {hop.peer}",
        Stage.TLS: f"connected to {hop.peer}, waiting for the TLS handshake",
        Stage.FIRST_BYTE: f"connected to {hop.peer}, waiting for the first byte",
        Stage.HEADERS: f"{hop.peer} began to answer, waiting for the rest of the headers",
        Stage.BODY: f"{hop.peer} answered {hop.status_code}, waiting for the rest of the body",
        Stage.TEXT: f"{hop.peer} began to answer, waiting for the expected text",
    }[hop.stage]
    what = "no complete answer" if hop.stage in (Stage.HEADERS, Stage.BODY, Stage.TEXT) else "no answer"
    return bad(ErrorType.TIMEOUT, f"{what} within {limit}: {where}")


def connect_words(error: OSError, peer: str) -> str:
    """Return why a connection could not be made. Raises errors that are limits of our own machine."""
    if error.errno in OWN_LIMITS or (error.errno == errno.EADDRNOTAVAIL and not peer.startswith("[")):
        raise error  # EADDRNOTAVAIL: no local port left; with IPv6 it means that this machine has none
    match error.errno:
        case errno.ECONNREFUSED:
            return f"connection refused by {peer}"
        case errno.EHOSTUNREACH | errno.ENETUNREACH | errno.EADDRNOTAVAIL | errno.EHOSTDOWN | errno.ENETDOWN:
            return f"no route to host {peer}"
        case errno.ETIMEDOUT:
            return f"connection to {peer} timed out"
        case errno.ECONNRESET | errno.ECONNABORTED:
            return f"connection reset by {peer} while connecting"
        case errno.EPERM | errno.EACCES:
            return f"connection to {peer} was forbidden by this machine's firewall"
    return f"cannot connect to {peer} ({errno.errorcode.get(error.errno or 0, type(error).__name__)})"


def lost_words(error: Exception | None, hop: Hop) -> str:
    """Return how a connection ended before its answer was complete."""
    doing = {
        Stage.TLS: "during the TLS handshake",
        Stage.FIRST_BYTE: "while waiting for the answer",
        Stage.HEADERS: "in the middle of the headers",
        Stage.BODY: "in the middle of the body",
        Stage.TEXT: "before the expected text came",
    }.get(hop.stage, "while connecting")
    if hop.is_certificate_asked and hop.stage in (Stage.TLS, Stage.FIRST_BYTE):
        doing += " (the server asks for a client certificate)"
    if error is None:
        return f"{hop.peer} closed the connection {doing}"
    if isinstance(error, ConnectionError):
        return f"connection reset by {hop.peer} {doing}"
    return f"connection to {hop.peer} broke {doing} ({type(error).__name__})"


def seconds(milliseconds: int) -> str:
    """Format a time limit: `5 s`, `0.25 s`."""
    return f"{milliseconds / 1000:g} s"


def printable(text: str, length: int = 100) -> str:
    """Return text from a target as one line for a message, without invisible characters, of bounded length."""
    clean = "".join(char if char.isprintable() else "?" for char in text[: length + 1])
    return clean if len(clean) <= length else clean[: length - 1] + "…"
