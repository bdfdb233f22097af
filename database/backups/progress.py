"""Show progress: one line that changes on a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from typing import TextIO

LINE_INTERVAL_S = 10.0
REDRAW_INTERVAL_S = 0.2


class Progress:
    """Report steps; without output (`output=None`) nothing is reported."""

    def __init__(self, output: TextIO | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._output, self._clock = output, clock
        self._is_terminal = output is not None and output.isatty()
        self._told_at = clock()

    def step(self, words: str) -> None:
        """Report the step that begins now."""
        self._write(words)
        self._told_at = self._clock()

    def count(self, words: str, chunks: Iterator[bytes], total: int) -> Iterator[bytes]:
        """Pass chunks on and report the number of bytes so far, of about how many."""
        done = 0
        for chunk in chunks:
            done += len(chunk)
            self._tell(words, done, total)
            yield chunk

    def _tell(self, words: str, done: int, total: int) -> None:
        if self._output is None or self._clock() - self._told_at < (
            REDRAW_INTERVAL_S if self._is_terminal else LINE_INTERVAL_S
        ):
            return
        self._told_at = self._clock()
        share = f"{min(99, 100 * done // total)} %, " if total else ""
        line = f"{words}: {share}{size(done)}"
        if self._is_terminal:
            self._output.write(f"\r{line}\x1b[K")
            self._output.flush()
        else:
            self._write(line)

    def _write(self, line: str) -> None:
        if self._output is not None:
            self._output.write(f"\r{line}\x1b[K\n" if self._is_terminal else f"{line}\n")
            self._output.flush()


SILENT = Progress(None)


def size(count: float) -> str:
    """Format a number of bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit in ("B", "kB") else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"
