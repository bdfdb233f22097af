"""Log lines: an event in words, then its fields."""

import logging
from typing import Any

# What every record carries; the rest came in through `extra` and are the event's fields.
STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}


class LineFormatter(logging.Formatter):
    """One readable line an event: time, level, logger, message, `name=value` for each field."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value!r}" for name, value in vars(record).items() if name not in STANDARD)
        line = super().formatMessage(record)
        return f"{line} {fields}" if fields else line
