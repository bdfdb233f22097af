"""Show progress on a terminal once something takes longer than a second."""

import time
from typing import TextIO

SILENT_FOR_S = 1.0
REDRAW_INTERVAL_S = 0.1


class Progress:
    """Call it with the step, how many are done, of how many. Writes nothing without a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._is_watched = stream, stream.isatty()
        self._next_at = time.monotonic() + SILENT_FOR_S
        self._is_shown = False

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._is_watched and time.monotonic() >= self._next_at:
            self._stream.write(f"\r\x1b[K{done} of {total} {what}")
            self._stream.flush()
            self._is_shown = True
            self._next_at = time.monotonic() + REDRAW_INTERVAL_S

    def end(self) -> None:
        """Clear the line."""
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
