import contextlib
import errno
import resource
from collections.abc import Iterator
from dataclasses import replace

import pytest

from monitoring.probes import probe
from monitoring.probes.failures import connect_words, printable, seconds
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.tests.conftest import Run, make_spec
from monitoring.probes.tools import Tools


@contextlib.contextmanager
def no_files_left() -> Iterator[None]:
    """Take away the right to open more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://localhost:9/", "http://api.test/"])
def test_limit_of_our_machine_is_no_verdict(run: Run, tools: Tools, url: str) -> None:
    async def scenario() -> None:
        starved = replace(tools, resolver=Resolver([("127.0.0.1", 9)]))
        with no_files_left(), pytest.raises(OSError, match="Too many open files"):
            await probe(make_spec(url), starved)

    run(scenario())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EHOSTUNREACH, "no route to host 10.0.0.5:443"),
        (errno.ENETUNREACH, "no route to host 10.0.0.5:443"),
        (errno.ETIMEDOUT, "connection to 10.0.0.5:443 timed out"),
        (errno.EPERM, "connection to 10.0.0.5:443 was forbidden by this machine's firewall"),
        (errno.EPROTO, "cannot connect to 10.0.0.5:443 (EPROTO)"),
    ],
)
def test_errors_of_connecting_in_words(code: int, words: str) -> None:
    assert connect_words(OSError(code, ""), "10.0.0.5:443") == words


def test_no_local_port_left_is_ours_but_no_ipv6_is_not() -> None:
    with pytest.raises(OSError, match="x"):
        connect_words(OSError(errno.EADDRNOTAVAIL, "x"), "10.0.0.5:443")

    assert connect_words(OSError(errno.EADDRNOTAVAIL, "x"), "[::1]:443") == "no route to host [::1]:443"


def test_text_of_targets_is_made_fit_for_messages() -> None:
    assert printable("a\r\nb\x00\u202e") == "a??b??"
    assert printable("x" * 200, 10) == "x" * 9 + "…"
    assert (seconds(5_000), seconds(250)) == ("5 s", "0.25 s")
