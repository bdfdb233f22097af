"""Send one httpx request over a new connection. httpx's own client would cost several times the work itself."""

from typing import cast

import httpx

from monitoring.probes.http.answer import Answer, Reply
from monitoring.probes.http.content import decode, not_packing
from monitoring.probes.http.requests import DEFAULT_PORTS, NO_BODY
from monitoring.probes.net.connect import connect, doors_of
from monitoring.probes.net.connection import Connection
from monitoring.probes.net.timeline import Hop, Stage
from monitoring.probes.net.tls import TlsLayer
from monitoring.probes.net.tls_contexts import DEFAULT, TlsProfile
from monitoring.probes.net.tls_settings import TlsLevel, check_handshake, profile_for
from monitoring.probes.tools import Tools

ANY_LEVEL = TlsLevel()


async def send(
    request: httpx.Request,
    hop: Hop,
    tools: Tools,
    *,
    keep_body: bool = False,
    reads_body: bool = True,
    follows: bool = False,
    profile: TlsProfile = DEFAULT,
    level: TlsLevel = ANY_LEVEL,
) -> Reply:
    """Resolve the name, check the address, connect, do the handshake, send the request and read the answer.

    Raises the exceptions of `failures.TARGET_ERRORS`. Without `keep_body`, the body is read (up to its bound) but not
    kept. Without `reads_body` it is not even read, nor is that of a redirect with `follows`. There is no own deadline:
    the caller's `asyncio.timeout` covers all of it, and `hop` says how far it got, and in remarks what was forgiven.
    Nothing stays open afterwards. If `profile` does not verify, a faulty certificate is not a failure, but a remark.
    """
    is_tls = request.url.scheme == "https"
    server_name = hop.host.removesuffix(".")  # RFC 6066, 3: without the trailing dot
    port = request.url.port or DEFAULT_PORTS[request.url.scheme]
    addresses, port = await doors_of(hop.host, port, tools)
    hop.enter(Stage.CONNECT)
    context = await tools.tls_context(profile_for(profile, server_name)) if is_tls else None

    def make() -> Connection[Answer]:
        answer = Answer(hop, keep_body=keep_body, reads_body=reads_body, follows=follows)
        layer = TlsLayer(context, server_name, has_certificate=profile.client is not None) if context else None
        return Connection(hop, answer, layer)

    connection = await connect(addresses, port, make, hop)
    try:
        if is_tls:
            hop.enter(Stage.TLS)
            await connection.handshake()
            check_handshake(connection.peer(), level, hop, verify=profile.verify, server_name=server_name)
        hop.enter(Stage.FIRST_BYTE)
        await connection.exchange(wire(request))
        for words in connection.answer.forgiven:
            hop.note(f"forgiven: {words}")
        return reply(connection.answer, request.url, hop)
    finally:
        connection.abort()


def wire(request: httpx.Request) -> bytes:
    """Return the bytes of a request. Raises `httpx.LocalProtocolError` for a header with a line break in it."""
    headers = request.headers.raw
    head = b"".join([b"%b: %b\r\n" % header for header in headers])
    if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers) or b"\0" in head:
        raise httpx.LocalProtocolError("a header of the request holds a line break")
    body = b"" if request.stream is NO_BODY else b"".join(cast(httpx.ByteStream, request.stream))
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (request.method.encode("ascii"), request.url.raw_path, head, body)


def reply(answer: Answer, url: httpx.URL, hop: Hop) -> Reply:
    """Return the complete answer, its body unpacked if it was kept."""
    if not answer.keep_body:
        return Reply(url, answer.status_code, answer.headers)
    encoding = ", ".join(
        value.decode("latin-1") for name, value in answer.headers if name.lower() == b"content-encoding"
    )
    content, is_short = decode(bytes(answer.body), encoding)
    if encoding and (odd := not_packing(encoding)):
        hop.note(f'forgiven: Content-Encoding "{odd}", which packs nothing')
    return Reply(url, answer.status_code, answer.headers, content, answer.is_cut or is_short)
