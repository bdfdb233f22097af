"""`python -m slamonitor.web --host … --port …`: the web process, as `manage.py up` and `manage.py run web` start it."""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from typing import Any

import uvloop

from slamonitor.running.child import raise_file_limit

FINISH_S = 1.5  # time for running requests to finish after a signal to stop; `up` waits longer
BACKLOG = 4_096  # connections that the kernel queues until we accept them
# How long a thread may hold the interpreter lock while the event loop waits for it. With four busy threads, `/livez`
# takes 21 to 26 ms (p95); with Python's default of 5 ms it takes 37 to 85 ms.
SWITCH_S = 0.0005
POLLED_EVERY_S = 0.4  # the page, even without visitors: none waits for rendering, and changes appear within 0.5 s


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m slamonitor.web", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    sys.argv[0] = "web"  # the name of this process in the database and the log
    raise_file_limit()
    sys.setswitchinterval(SWITCH_S)
    # This loads all apps, which takes a second, and exits on a wrong setting. So it must precede listening.
    from slamonitor.wsgi import application

    with contextlib.closing(listen(options.host, options.port)) as listener:
        # Don't close the loop: clients and threads may still use it until the process exits.
        uvloop.new_event_loop().run_until_complete(serve(listener, application))


def listen(host: str, port: int) -> socket.socket:
    """Listen. Another web process may listen on the same port at the same time, and takes over when this one exits."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    is_dual = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=True, dualstack_ipv6=is_dual)


async def serve(listener: socket.socket, application: Any) -> None:
    """Serve until SIGTERM or SIGINT."""
    from slamonitor.web.connection import Connection
    from slamonitor.web.server import Server
    from statuspage.front import poll

    loop = asyncio.get_running_loop()
    server = Server(application, loop, listener.getsockname()[:2])
    end = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, end.set)
    listening = await loop.create_server(lambda: Connection(server), sock=listener, backlog=BACKLOG)
    server.keep_sweeping()
    back = loop.create_task(server.link.keep())

    def keep_warm() -> None:
        poll()
        loop.call_later(POLLED_EVERY_S, keep_warm)

    keep_warm()
    await end.wait()
    listening.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.stop(), FINISH_S)
    back.cancel()
    await asyncio.wait([back])


if __name__ == "__main__":
    main()
