"""Print the lines of `manage.py up` and its children, readable on a terminal and as JSON elsewhere."""

import contextlib
import io
import json
import os
import select
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from observability.logs import JSON, LINE, as_json
from observability.masking import LONGEST, mask, mask_text

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)
READER_TIMEOUT_S = 0.5  # for a slow reader; then lines are dropped, as waiting would delay restarts of children
JSON_LINE = '{"timestamp":'  # the beginning of a line that a child has already formatted


class Printer:
    """Write lines with time and name in front, coloured on a terminal; or one JSON object a line."""

    def __init__(
        self, output: TextIO, form: str = LINE, service: str = "sla-monitor", now: Callable[[], datetime] | None = None
    ) -> None:
        self._output, self._form, self._service = output, form, service
        self._now = now or (lambda: datetime.now(UTC).astimezone())
        self._colours = output.isatty() and "NO_COLOR" not in os.environ
        self._names: dict[str, int] = {}
        self._dropped = 0
        self._rest = b""  # the part of a line that the reader had no room for

    def line(self, name: str, text: str) -> None:
        """Print a line of a child, or of our own."""
        self._write(self._as_json(name, text) if self._form == JSON else f"{self._label(name)} {_masked(text)}")

    def _as_json(self, name: str, text: str) -> str:
        if text.startswith(JSON_LINE) and text.endswith("}") and (line := _masked_line(text)):
            return line
        return as_json(
            at=self._now().astimezone(UTC),
            level="INFO",
            service=self._service,
            process=name,
            logger="output",
            message=_masked(text),
            metadata={},
        )

    def _label(self, name: str) -> str:
        label = f"{self._now():%H:%M:%S} {name:<9}|"
        if not self._colours:
            return label
        colour = self._names.setdefault(name, COLOURS[len(self._names) % len(COLOURS)])
        return f"\x1b[{colour}m{label}\x1b[0m"

    def _write(self, line: str) -> None:
        if not self._finish_line():
            self._dropped += 1
            return
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self.line("up", f"{dropped} lines were dropped")
        self._rest += f"{line}\n".encode(errors="replace")
        self._finish_line()

    def _finish_line(self) -> bool:
        """Write the rest of the last line, as far as there is room; return whether there is room for another one."""
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone; the children must still be ended
            descriptor = self._descriptor()
            if descriptor is None:
                self._output.write(self._rest.decode())
                self._rest = b""
                return True
            while self._rest:
                if not self._has_room(descriptor):
                    return False
                # A pipe that has room at all has it for so much; a longer write would wait for its reader.
                self._rest = self._rest[os.write(descriptor, self._rest[: select.PIPE_BUF]) :]
            return self._has_room(descriptor)
        self._rest = b""
        return True

    def _descriptor(self) -> int | None:
        """Return where to write; None for a text in memory."""
        try:
            return self._output.fileno()
        except io.UnsupportedOperation:
            return None

    def _has_room(self, descriptor: int) -> bool:
        """Wait a moment for a slow reader; return whether it reads. Once lines are dropped, don't wait again."""
        return bool(select.select([], [descriptor], [], 0.0 if self._dropped else READER_TIMEOUT_S)[1])


def _masked(text: str) -> str:
    # Don't mask a value because of the name before it: the first admin's password is printed on purpose.
    return mask_text(text, named=False)


def _masked_line(text: str) -> str | None:
    """Mask a line that is a JSON object; return None for other lines. A shortened line keeps its format and level."""
    if len(text) <= LONGEST:
        return _masked(text)
    try:
        said = json.loads(text)
    except ValueError:
        return None
    return json.dumps(mask(said), ensure_ascii=False, separators=(",", ":"))
