"""The supervisor with real processes: small Python programs that say who they are."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slamonitor.embedded.state_directory import CHECKOUT
from slamonitor.running.child import Process, is_alive
from slamonitor.running.supervisor import STOP_WITHIN_S, ChildFailed, Supervisor
from slamonitor.tests.installation import free_port

pytestmark = pytest.mark.processes

PATIENCE_S = 8.0  # less than a child here is given to end, and more than a busy machine needs
SLEEP = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(300)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
# One that would outlive its parent: it hears no SIGTERM and holds no pipe of its parent's.
WITH_GRANDCHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); {SLEEP}"


def program(name: str, code: str, **changes: Any) -> Process:
    return Process(name=name, command=(sys.executable, "-I", "-S", "-c", code), env={}, **changes)


def until(is_true: Callable[[], Any], within_s: float = 10.0) -> Any:
    """Poll with a deadline; return the first true answer."""
    deadline = time.monotonic() + within_s
    while not (answer := is_true()):
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.02)
    return answer


def pids(text: str) -> list[int]:
    return [int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if " pid " in line]


def is_running(pid: int) -> bool:
    """Say whether a process runs; one that ended and that nobody asked after (a zombie) does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return is_alive(pid) and not Path("/proc/self").exists()


class Watched:
    """A supervisor that writes to memory; its clock may run faster than ours."""

    def __init__(self, speed: float = 1.0) -> None:
        self.output = io.StringIO()
        self.supervisor = Supervisor(output=self.output, clock=lambda: time.monotonic() * speed)

    @property
    def text(self) -> str:
        return self.output.getvalue()

    def watch_until(self, is_true: Callable[[], bool], within_s: float = 10.0) -> None:
        """Let the supervisor work until something holds."""
        deadline = time.monotonic() + within_s
        self.supervisor.watch(until=lambda: is_true() or time.monotonic() > deadline)
        assert is_true(), f"not within {within_s} s; it said:\n{self.text}"


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_lines_of_children_carry_time_and_name(watched: Watched) -> None:
    with watched.supervisor as supervisor:
        supervisor.start(program("talker", "print('one\\ntwo', end='')"))
        watched.watch_until(lambda: "two" in watched.text)

    assert "talker   | one\n" in watched.text
    assert "\x1b[" not in watched.text, "colours belong on terminals only"


def test_dead_child_is_restarted_after_growing_delays(watched: Watched) -> None:
    with watched.supervisor as supervisor:
        supervisor.start(program("worker", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
        watched.watch_until(lambda: "restarting in 2 s" in watched.text)

    assert "worker died (signal 9), restarting in 0.5 s" in watched.text
    assert "worker died (signal 9), restarting in 1 s" in watched.text


def test_a_log_that_nobody_reads_delays_no_restart() -> None:
    read, write = os.pipe()
    chatty = "import os, signal; print('x' * 500_000, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    with os.fdopen(read), os.fdopen(write, "w") as output, Supervisor(output=output) as supervisor:
        supervisor.start(program("worker", chatty))
        (child,) = supervisor._children
        deadline = time.monotonic() + 30
        assert supervisor.watch(until=lambda: child.deaths == 3 or time.monotonic() > deadline)
        assert child.deaths == 3


def test_delay_is_short_again_after_a_healthy_minute() -> None:
    watched = Watched(speed=200.0)  # a minute in 0.3 s
    lives = "import time; time.sleep(0.5)"

    with watched.supervisor as supervisor:
        supervisor.start(program("worker", lives))
        watched.watch_until(lambda: watched.text.count("restarting") == 3)

    assert watched.text.count("worker ended (exit code 0), restarting in 0.5 s") == 3


def test_what_a_killed_child_leaves_dies_before_the_restart(watched: Watched) -> None:
    with watched.supervisor as supervisor:
        supervisor.start(program("worker", WITH_GRANDCHILD))
        watched.watch_until(lambda: len(pids(watched.text)) == 2)
        before = pids(watched.text)
        os.kill(supervisor._children[0].popen.pid, signal.SIGKILL)
        watched.watch_until(lambda: len(pids(watched.text)) == 4)

        until(lambda: not any(map(is_running, before)))

    until(lambda: not any(map(is_running, pids(watched.text))))


LISTENS = """
import http.server, os, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
    protocol_version = "HTTP/1.1"
print("pid", os.getpid(), flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


def test_a_child_that_stands_still_is_killed_and_restarted(watched: Watched) -> None:
    port = free_port()
    listener = program("web", LISTENS, lives_at=("127.0.0.1", port))
    listener = replace(listener, command=(*listener.command, str(port)))

    with watched.supervisor as supervisor:
        supervisor.start(listener)
        watched.watch_until(lambda: getattr(supervisor._children[0].life, "_answered_at", None) is not None)
        os.kill(pids(watched.text)[0], signal.SIGSTOP)
        watched.watch_until(lambda: len(pids(watched.text)) == 2, within_s=60)

    assert "web has not answered for 10 s and was killed" in watched.text


def test_process_that_dies_while_starting_stops_the_start_with_its_words(watched: Watched) -> None:
    with watched.supervisor as supervisor, pytest.raises(ChildFailed, match=r"exit code 3.*\n.*no space left"):
        supervisor.start(program("db", "print('no space left'); raise SystemExit(3)", ready=lambda: False))


def test_process_never_ready_is_given_up(watched: Watched) -> None:
    with watched.supervisor as supervisor, pytest.raises(ChildFailed, match=r"not ready within 0\.2 s"):
        supervisor.start(program("db", SLEEP, ready=lambda: False, ready_timeout_s=0.2))

    until(lambda: not any(map(is_running, pids(watched.text))))


def test_failed_step_stops_the_start(watched: Watched) -> None:
    with watched.supervisor as supervisor, pytest.raises(ChildFailed, match=r"migrate ended .exit code 1"):
        supervisor.run(program("migrate", "raise SystemExit(1)"))


def test_children_end_stage_after_stage(watched: Watched) -> None:
    def says_when(name: str) -> str:
        # Not by `print`: it may be at work when the signal comes, and is not to be entered twice.
        ends = f"(os.write(1, b'{name} ends\\n'), os._exit(0))"
        return f"import signal; signal.signal(15, lambda *_: {ends}); print('up'); {SLEEP}"

    with watched.supervisor as supervisor:
        for stage, name in ((2, "last"), (0, "first"), (1, "second")):
            supervisor.start(program(name, says_when(name), stop_stage=stage))
        watched.watch_until(lambda: len(pids(watched.text)) == 3)

    ends = [line.split("| ")[1] for line in watched.text.splitlines() if line.endswith(" ends")]
    assert ends == ["first ends", "second ends", "last ends"]
    assert supervisor.ended_cleanly


def test_child_is_asked_to_end_only_when_its_work_is_done(watched: Watched) -> None:
    answers = iter([False, False, True])
    left: list[bool] = []

    def drained() -> bool:
        left.append(next(answers))
        return left[-1]

    with watched.supervisor as supervisor:
        supervisor.start(program("engine", SLEEP, drained=drained, drain_timeout_s=5.0))

    assert left == [False, False, True]


def test_straggler_is_killed_at_the_deadline_of_its_stage(watched: Watched) -> None:
    with watched.supervisor as supervisor:
        supervisor.start(program("stuck", STUBBORN, stop_stage=0, stop_timeout_s=0.3))
        supervisor.start(program("other", SLEEP, stop_stage=1))
        watched.watch_until(lambda: len(pids(watched.text)) == 2)
        started = time.monotonic()

    assert time.monotonic() - started < PATIENCE_S, "it was waited for as long as for all stages together"
    assert "stuck did not end in time and was killed" in watched.text
    assert not supervisor.ended_cleanly


def test_slow_end_may_use_what_earlier_stages_left_over(watched: Watched) -> None:
    slow = "import signal, time; signal.signal(15, lambda *_: (time.sleep(0.3), os._exit(0))); " + SLEEP
    with watched.supervisor as supervisor:
        supervisor.start(program("quick", SLEEP, stop_stage=0, stop_timeout_s=PATIENCE_S))
        supervisor.start(program("slow", slow, stop_stage=1, stop_timeout_s=0.01))
        supervisor.start(program("last", SLEEP, stop_stage=2))
        watched.watch_until(lambda: len(pids(watched.text)) == 3)

    assert supervisor.ended_cleanly


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    """Start a supervisor as a process of its own, watching the children that a piece of code names."""
    started: list[subprocess.Popen[str]] = []

    def start(children: str) -> "subprocess.Popen[str]":
        script = tmp_path / "supervised.py"
        script.write_text(
            "import sys\n"
            "from slamonitor.running.supervisor import Supervisor\n"
            f"from {__name__} import SLEEP, STUBBORN, WITH_GRANDCHILD, program\n"
            "with Supervisor() as supervisor:\n"
            f"    for child in [{children}]:\n"
            "        supervisor.start(child)\n"
            "    supervisor.watch()\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        child = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment)
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def first_pids(child: "subprocess.Popen[str]", count: int) -> list[int]:
    assert child.stdout is not None
    found: list[int] = []
    while len(found) < count:
        line = child.stdout.readline()
        assert line, "the supervisor ended early"
        found += pids(line)
    return found


def read_until(child: "subprocess.Popen[str]", words: str) -> None:
    assert child.stdout is not None
    while words not in (line := child.stdout.readline()):
        assert line, "the supervisor ended early"


def test_killed_supervisor_leaves_nothing(supervised: Callable[[str], "subprocess.Popen[str]"]) -> None:
    up = supervised("program('one', SLEEP), program('two', WITH_GRANDCHILD), program('three', STUBBORN)")
    children = first_pids(up, 4)

    up.kill()

    until(lambda: not any(map(is_running, children)))


def test_supervisor_and_guardian_killed_together_leave_no_child(
    supervised: Callable[[str], "subprocess.Popen[str]"],
) -> None:
    if sys.platform != "linux":
        pytest.skip("parent-death signals are Linux's")
    up = supervised("program('one', SLEEP), program('two', STUBBORN)")
    children = first_pids(up, 2)
    of_up = Path(f"/proc/{up.pid}/task/{up.pid}/children").read_text().split()
    guardian = next(int(pid) for pid in of_up if b"guardian.py" in Path(f"/proc/{pid}/cmdline").read_bytes())

    os.kill(guardian, signal.SIGKILL)
    up.kill()

    until(lambda: not any(map(is_running, children)))


def test_sigterm_ends_all_and_says_success(supervised: Callable[[str], "subprocess.Popen[str]"]) -> None:
    up = supervised("program('one', SLEEP), program('two', WITH_GRANDCHILD)")
    children = first_pids(up, 3)

    up.terminate()

    assert up.wait(STOP_WITHIN_S) == 0
    until(lambda: not any(map(is_running, children)))


def test_second_signal_kills_at_once(supervised: Callable[[str], "subprocess.Popen[str]"]) -> None:
    up = supervised("program('one', STUBBORN, stop_timeout_s=9.0)")
    children = first_pids(up, 1)

    up.send_signal(signal.SIGTERM)
    read_until(up, "stopping")
    up.send_signal(signal.SIGTERM)

    assert up.wait(PATIENCE_S) == 0, "it was waited for as long as it may take"
    until(lambda: not any(map(is_running, children)))
