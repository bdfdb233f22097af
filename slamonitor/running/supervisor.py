"""Start the processes of one installation, print their output, restart dead ones, and end them all in order.

One thread does everything: the parent-death signal is tied to the thread that started a child, and a fork in a process
with several threads is unsafe.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Self, TextIO

from observability.logs import LINE
from slamonitor.running import guardian
from slamonitor.running.child import Process, signal_group, spawn
from slamonitor.running.life import SILENT_S, Life
from slamonitor.running.printer import Printer

TICK_S = 0.1
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
HEALTHY_AFTER_S = 60.0  # a child that ran this long starts again with the first delay
STOP_WITHIN_S = 9.5  # all stages together; the promise is ten seconds
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
READ_BYTES = 65_536
LONGEST_LINE_BYTES = 4 * READ_BYTES  # the longest of ours has 65,536 characters


class ChildFailed(Exception):
    """A process ended, or did not become ready, while everything was still being started."""


class StopRequested(Exception):
    """A signal asked to stop while something was still being started."""


@dataclass(slots=True)
class Child:
    """A process that runs, or waits to be restarted."""

    process: Process
    popen: subprocess.Popen[bytes]
    started_at: float  # seconds of the supervisor's clock, as `restart_at` is
    deaths: int = 0  # in a row
    restart_at: float | None = None  # None while it runs
    life: Life | None = None
    keep: Callable[[str], bool] = lambda line: False  # lines to print later
    unfinished: bytes = b""  # the beginning of a line whose end is still to come
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=15))


class Supervisor:
    """Hold the children between `with` and its end, which stops them all, whatever ended the block."""

    def __init__(
        self,
        *,
        output: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        keep_open: tuple[int, ...] = (),
        log_format: str = LINE,
    ) -> None:
        self.printer = Printer(output or sys.stdout, log_format)
        self._clock = clock
        self._keep_open = keep_open  # descriptors that stay open until the guardian has cleaned up
        self._children: list[Child] = []
        self._selector = selectors.DefaultSelector()
        self._guardian: subprocess.Popen[bytes] | None = None
        self._kept: deque[str] = deque()
        self._stop_signals = 0  # number of signals received
        self.ended_cleanly = False  # valid after the block: True if no child had to be killed

    def __enter__(self) -> Self:
        # Ignored signals stay ignored: with `nohup`, we must outlive the terminal.
        heard = [signum for signum in STOP_SIGNALS if signal.getsignal(signum) is not signal.SIG_IGN]
        self._handlers = {signum: signal.signal(signum, self._on_signal) for signum in heard}
        self._start_guardian()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.say_kept()
            self.ended_cleanly = self.stop()
        finally:
            self._stop_guardian()
            self._selector.close()
            for signum, handler in self._handlers.items():
                signal.signal(signum, handler)

    def say(self, text: str) -> None:
        """Print a line of our own."""
        self.printer.line("up", text)

    def say_kept(self) -> None:
        """Print the lines that were kept back."""
        while self._kept:
            self.say(self._kept.popleft())

    def start(self, process: Process) -> None:
        """Start a process and return when it is ready. Raises `ChildFailed` or `StopRequested`."""
        child = self._begin(process)
        deadline = self._clock() + process.ready_timeout_s
        while process.ready is not None and not process.ready():
            self._tick()
            if child.popen.poll() is not None:
                self._bury(child)
                self._children.remove(child)
                raise ChildFailed(f"{process.name} {_ending(child)} before it was ready.{_quote(child)}")
            if self._clock() > deadline:
                raise ChildFailed(f"{process.name} was not ready within {process.ready_timeout_s:g} s.{_quote(child)}")

    def run(self, process: Process, keep: Callable[[str], bool] = lambda line: False) -> None:
        """Run a process to its end. Raises `ChildFailed` if it fails, or `StopRequested`.

        Lines to keep are printed by `say_kept`, at the end of the block at the latest.
        """
        child = self._begin(process)
        child.keep = keep
        while child.popen.poll() is None:
            self._tick()
        self._bury(child)
        self._children.remove(child)
        if child.popen.returncode != 0:
            raise ChildFailed(f"{process.name} {_ending(child)}; see its output above.")

    def watch(self, until: Callable[[], bool] = lambda: False) -> bool:
        """Keep all children running until a condition holds (True), or a signal asks to stop (False)."""
        with contextlib.suppress(StopRequested):
            while not until():
                self._tick()
                self._restart_dead()
            return True
        return False

    def end(self, which: Callable[[Process], bool]) -> list[Process]:
        """End some of the children, stage after stage, and return their descriptions in the order of starting."""
        children = [child for child in self._children if which(child.process)]
        deadline = self._clock() + STOP_WITHIN_S
        for stage in sorted({child.process.stop_stage for child in children}):
            running = [child for child in self._running() if child in children and child.process.stop_stage == stage]
            self._drain(running, deadline)
            self._end(running, deadline)
        self._children = [child for child in self._children if child not in children]
        return [child.process for child in children]

    def stop(self) -> bool:
        """End all children, stage after stage; return whether none had to be killed.

        A child is killed if it does not end in time, and all are killed after a second signal.
        """
        if self._children:
            self.say("stopping; a second Ctrl-C kills at once")
        until, clean = self._clock(), True
        deadline = until + STOP_WITHIN_S
        stages = sorted({child.process.stop_stage for child in self._children})
        for stage in stages:
            children = [child for child in self._running() if child.process.stop_stage == stage]
            self._drain(children, deadline)
            # Time that a stage does not use is left to the next ones, and finally to PostgreSQL for its checkpoint.
            until += max((child.process.drain_timeout_s for child in children), default=0.0)
            until += max((child.process.stop_timeout_s for child in children), default=0.0)
            clean = self._end(children, deadline if stage == stages[-1] else min(deadline, until)) and clean
        self._children.clear()
        return clean

    def _drain(self, children: list[Child], deadline: float) -> None:
        """Give the children of a stage time to finish the work of earlier stages."""
        for child in children:
            drained, until = child.process.drained, min(deadline, self._clock() + child.process.drain_timeout_s)
            while drained is not None and self._may_wait(until) and child.popen.poll() is None and not drained():
                self._pump(TICK_S)

    def _end(self, children: list[Child], deadline: float) -> bool:
        for child in children:
            child.popen.send_signal(child.process.stop_signal)
        while any(child.popen.poll() is None for child in children) and self._may_wait(deadline):
            self._pump(TICK_S / 5)
        late = [child for child in children if child.popen.poll() is None]
        for child in late:
            self.say(f"{child.process.name} did not end in time and was killed")
        for child in children:
            self._bury(child)
        return not late

    def _may_wait(self, deadline: float) -> bool:
        return self._stop_signals < 2 and self._clock() < deadline

    def _running(self) -> list[Child]:
        return [child for child in self._children if child.restart_at is None]

    def _tick(self) -> None:
        """Print the output of the children for a moment. Raises `StopRequested`."""
        self._pump(TICK_S)
        if self._stop_signals:
            raise StopRequested
        if self._guardian is None or self._guardian.poll() is not None:
            self._start_guardian()

    def _restart_dead(self) -> None:
        for child in self._children:
            if child.restart_at is None and child.life is not None and child.life.is_silent(self._clock()):
                self.say(f"{child.process.name} has not answered for {SILENT_S:g} s and was killed")
                signal_group(child.popen.pid, signal.SIGKILL)
                child.popen.wait()
            if child.restart_at is None and child.popen.poll() is not None:
                self._bury(child)
                self._plan_restart(child, _ending(child))
            elif child.restart_at is not None and self._clock() >= child.restart_at:
                self._restart(child)

    def _plan_restart(self, child: Child, what: str) -> None:
        child.deaths = 1 if self._clock() - child.started_at >= HEALTHY_AFTER_S else child.deaths + 1
        delay_s = min(FIRST_DELAY_S * 2 ** (child.deaths - 1), LONGEST_DELAY_S)
        child.restart_at = self._clock() + delay_s
        self.say(f"{child.process.name} {what}, restarting in {delay_s:g} s")

    def _restart(self, child: Child) -> None:
        child.started_at = self._clock()
        try:
            child.popen = spawn(child.process)
        except OSError as error:  # for example, no memory to fork, or the program is being replaced
            return self._plan_restart(child, f"cannot be started ({error.strerror})")
        child.restart_at = None
        self._adopt(child)

    def _begin(self, process: Process) -> Child:
        child = Child(process, spawn(process), self._clock())
        self._children.append(child)
        self._adopt(child)
        return child

    def _adopt(self, child: Child) -> None:
        """Watch the output of a new child, and register it with the guardian."""
        child.life = Life(child.process.lives_at) if child.process.lives_at else None
        self._tell_guardian(f"+ {child.popen.pid} {int(child.process.death_signal)}")
        os.set_blocking(_output(child).fileno(), False)
        self._selector.register(_output(child), selectors.EVENT_READ, child)

    def _bury(self, child: Child) -> None:
        """Kill the rest of a child's group, such as the pool of a killed worker, and print its last lines."""
        signal_group(child.popen.pid, signal.SIGKILL)
        child.popen.wait()
        if child.life is not None:
            child.life.close()
        self._tell_guardian(f"- {child.popen.pid}")
        output = _output(child)
        while self._read(child):
            pass
        if child.unfinished:
            self._print(child, child.unfinished)
            child.unfinished = b""
        if output in self._selector.get_map():
            self._selector.unregister(output)
        output.close()

    def _pump(self, timeout_s: float) -> None:
        """Print what the children wrote; return after the timeout or as soon as some of them wrote something."""
        for key, _ in self._selector.select(timeout_s):
            child: Child = key.data
            if not self._read(child):
                time.sleep(TICK_S / 5)  # it closed its output, so most likely it is just ending

    def _read(self, child: Child) -> bool:
        """Print the next lines of a child; return whether there were any."""
        try:
            chunk = os.read(_output(child).fileno(), READ_BYTES)
        except BlockingIOError:
            return False
        if not chunk:  # closed: it would count as readable for ever
            with contextlib.suppress(KeyError):
                self._selector.unregister(_output(child))
            return False
        *lines, child.unfinished = (child.unfinished + chunk).split(b"\n")
        if len(child.unfinished) > LONGEST_LINE_BYTES:
            lines, child.unfinished = [*lines, child.unfinished], b""
        for line in lines:
            self._print(child, line)
        return True

    def _print(self, child: Child, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text:  # Celery is generous with empty lines
            child.tail.append(text)
            if child.keep(text):
                self._kept.append(text)
                return
            self.printer.line(child.process.name, text)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._stop_signals += 1

    def _start_guardian(self) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
        # In its own session: it must survive a signal to our process group, or the end of the terminal.
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(guardian.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            pass_fds=self._keep_open,
        )
        for child in self._running():
            self._tell_guardian(f"+ {child.popen.pid} {int(child.process.death_signal)}")

    def _tell_guardian(self, line: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # the next tick starts another guardian with all children
                os.write(self._guardian.stdin.fileno(), f"{line}\n".encode())

    def _stop_guardian(self) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            self._guardian.wait()


def _output(child: Child) -> IO[bytes]:
    assert child.popen.stdout is not None  # `spawn` opens a pipe unless told otherwise
    return child.popen.stdout


def _ending(child: Child) -> str:
    code = child.popen.returncode
    return f"died (signal {-code})" if code < 0 else f"ended (exit code {code})"


def _quote(child: Child) -> str:
    return "".join(f"\n    {line}" for line in child.tail)
