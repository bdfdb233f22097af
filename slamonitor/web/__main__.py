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

FINISH_S = 1.5  # for which requests under way are finished when the process is told to end; less than `up` waits
BACKLOG = 4_096  # connections that the kernel holds for us
# After which a thread hands over to the event loop, which has little to do but all visitors waiting. With four busy
# threads `/livez` takes 21 to 26 ms (p95); with Python's own 5 ms, 37 to 85 ms.
SWITCH_S = 0.0005
POLLED_EVERY_S = 0.4  # the page, visitors or not: none of them waits for it, and a change is seen within half a second


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m slamonitor.web", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    sys.argv[0] = "web"  # how the database and the log name this process
    raise_file_limit()
    sys.setswitchinterval(SWITCH_S)
    # Loads all apps, which takes a second, and ends the process on a wrong setting: before anybody can connect.
    from slamonitor.wsgi import application

    with contextlib.closing(listen(options.host, options.port)) as listener:
        # Not closed at the end: what clients and threads still hold goes with the process.
        uvloop.new_event_loop().run_until_complete(serve(listener, application))


def listen(host: str, port: int) -> socket.socket:
    """Listen; another web process may do so on the same port, and takes over when this one ends."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    is_dual = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=True, dualstack_ipv6=is_dual)


async def serve(listener: socket.socket, application: Any) -> None:
    """Serve until a signal asks to end."""
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
