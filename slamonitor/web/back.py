"""The back process of the web server: it handles slow requests for the front process.

`slamonitor.web` starts it with one end of a socket pair. It exits when the other end is closed.
"""

import argparse
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from functools import partial
from typing import Any

from slamonitor.running.child import die_with_parent
from slamonitor.web.frames import PING, READ_BYTES, Frame, Unpacker, packed
from slamonitor.web.messages import Response, environ_of, run
from slamonitor.web.pools import IN_BACK, Pool

logger = logging.getLogger(__name__)

NICENESS = 5  # so that the page, heartbeats and the engine come first if the CPU is busy


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m slamonitor.web.back", description=__doc__)
    parser.add_argument("--descriptor", type=int, required=True, help="of the socket that leads to the front process")
    options = parser.parse_args()
    die_with_parent(
        os.getppid(), signal.SIGKILL
    )  # works even while this process is stopped and cannot see the socket close
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # the front process gets them as well, and waits for our responses
    os.nice(NICENESS)
    sys.argv[0] = "web-back"  # the name of this process in the database
    from slamonitor.wsgi import application

    with socket.socket(fileno=options.descriptor) as front:
        serve(front, application)


def serve(front: socket.socket, application: Any) -> None:
    """Handle each request in a thread of its kind, until the other end of the socket is closed."""
    from observability.metrics import OwnState, report  # needs the settings

    pools, sending = {kind.name: Pool(kind) for kind in IN_BACK}, threading.Lock()

    def send(frame: bytes) -> None:
        with sending, contextlib.suppress(OSError):  # the front process is gone, and so are its clients
            front.sendall(frame)

    def answer(request: Frame) -> None:
        _kind, meta = request.head
        response = _answer(application, meta, request.body)
        send(packed(request.number, [response.status, list(response.headers)], response.body))

    send(packed(PING))
    unpacker = Unpacker()
    while piece := _received(front):
        for frame in unpacker.feed(piece):
            if frame.number == PING:
                report(OwnState(*frame.head))
                send(packed(PING))
            else:
                pools[frame.head[0]].submit(partial(answer, frame))


def _received(front: socket.socket) -> bytes:
    try:
        return front.recv(READ_BYTES)
    except ConnectionResetError:
        return b""


def _answer(application: Any, meta: dict[str, Any], body: bytes) -> Response:
    try:
        return run(application, environ_of(meta, body, stderr=sys.stderr))
    except Exception:
        logger.exception("application failed")
        from slamonitor.web.refusals import refusal  # needs the apps

        return refusal(meta, 500)


if __name__ == "__main__":
    main()
