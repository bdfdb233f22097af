"""Log calls return at once, whatever happens to the log."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from django.conf import settings

from observability.log_sink import LogSink

pytestmark = pytest.mark.processes


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def log(sink: LogSink, message: str, *args: object) -> None:
    sink.handle(logging.LogRecord("test", logging.INFO, __file__, 1, message, args, None))


def test_lines_come_out_in_order(pipe: tuple[int, int]) -> None:
    sink = LogSink(pipe[1])

    for number in range(1000):
        log(sink, "line %d", number)
    sink.flush(30)

    assert os.read(pipe[0], 100_000).decode().split("\n") == [*(f"line {number}" for number in range(1000)), ""]


def test_stopped_reader_costs_lines_and_nobodys_time(pipe: tuple[int, int]) -> None:
    """The pipe holds 64 KiB and nobody reads it: the writer is stuck, and the caller must not be."""
    sink = LogSink(pipe[1], most_bytes=100_000)
    done = threading.Thread(target=lambda: [log(sink, "x" * 999) for _ in range(1000)], daemon=True)

    done.start()
    done.join(30)

    assert not done.is_alive()
    assert 800 <= sink.dropped < 1000

    reading = threading.Thread(target=lambda: received.extend(iter(lambda: os.read(pipe[0], 65_536), b"")), daemon=True)
    received: list[bytes] = []
    reading.start()
    sink.flush(30)
    log(sink, "after")
    sink.flush(30)
    os.close(pipe[1])
    reading.join(30)
    lines = b"".join(received).split(b"\n")
    assert b"log lines were dropped" in lines and lines[-2] == b"after"


def test_reader_that_is_gone_is_no_error(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    sink = LogSink(pipe[1])

    log(sink, "nobody hears this")
    sink.flush(30)

    assert sink.dropped == 1


def test_full_disk_is_no_error() -> None:
    sink = LogSink(os.open("/dev/full", os.O_WRONLY))

    log(sink, "no space left")
    sink.flush(30)

    assert sink.dropped == 1


def test_message_that_does_not_fit_its_arguments_is_no_error(pipe: tuple[int, int]) -> None:
    sink = LogSink(pipe[1])

    log(sink, "%d", "not a number")

    assert sink.dropped == 1


FORKS = """
import logging, os
from observability.log_sink import LogSink
sink = LogSink(1)

def log(message):
    sink.handle(logging.LogRecord("test", logging.INFO, "", 1, message, (), None))
    sink.flush(30)

log("parent")
with sink._changed:  # its thread waits for us, so that these lines are still there when the process is forked
    sink._put(b"of the parent alone\\n", is_urgent=True)
    child = os.fork()
    if not child:
        log("child")
        os._exit(0)
    os.waitpid(child, 0)
log("parent again")
"""


def test_forked_child_writes_its_own_lines_and_not_the_parents() -> None:
    done = subprocess.run([sys.executable, "-c", FORKS], cwd=settings.BASE_DIR, capture_output=True, text=True)

    assert done.stdout.splitlines() == ["parent", "child", "of the parent alone", "parent again"], done.stderr
