"""The targets as a process, asked over the wire."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from slamonitor.demo.behaviours import Kind
from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.tests.installation import PATIENCE_S, free_port, wait_until

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "slamonitor.demo.targets", str(port), "Asia/Seoul"]
    with subprocess.Popen(command, cwd=CHECKOUT) as process:
        wait_until(lambda: status(f"http://127.0.0.1:{port}/none") == 404, "the targets did not start")
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def status(url: str) -> int | None:
    try:
        return httpx.get(url, trust_env=False, timeout=PATIENCE_S).status_code
    except httpx.TransportError:
        return None


def test_each_kind_answers_under_its_own_path(url: str) -> None:
    answers = {
        kind: httpx.get(f"{url}/{kind}", trust_env=False, timeout=PATIENCE_S)
        for kind in (Kind.FAST, Kind.STEADY, Kind.EVENING)
    }

    assert {answer.status_code for answer in answers.values()} == {200}
    assert answers[Kind.FAST].text == "OK\n"
    # No quicker than their kind ever is; how much slower is the machine's affair.
    assert answers[Kind.FAST].elapsed >= timedelta(milliseconds=20)
    assert answers[Kind.EVENING].elapsed >= timedelta(milliseconds=150)


def test_what_is_no_request_is_answered_and_hung_up_on(url: str) -> None:
    assert status(f"{url}/") == 404
