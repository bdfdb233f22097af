"""Log lines: one JSON object each, or on a terminal an event in words and then its fields. Knows no Django.

Fields come through `extra`. `duration_ms`, `trace_id`, `job_id` and `project_id` become fields of the line, all others
go into `metadata`. Secrets are masked in both forms.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from observability import trace
from observability.masking import mask, mask_text

# The attributes of every record; any others came in through `extra` and are the event's fields.
STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data", "request"}
BESIDE = ("duration_ms", "trace_id", "job_id", "project_id")
LONGEST_LINE = 65_536  # characters; a longer line loses its fields
FORMAT = "LOG_FORMAT"
JSON, LINE, AUTO = FORMS = "json", "line", "auto"
PROCESS = "SLAMONITOR_PROCESS"  # `manage.py up` names its children by this variable


def process_name() -> str:
    """Return the part of the installation that this process is: web, engine, probe1, …, or the program's name."""
    program = Path(sys.argv[0] if sys.argv else "")
    return os.environ.get(PROCESS) or (program.parent if program.name == "__main__.py" else program).name or "python"


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record, masked."""
    return {name: mask(value, name) for name, value in vars(record).items() if name not in STANDARD}


def words_of(record: logging.LogRecord) -> str:
    """Return the message. Django's own contain the path of a request, which may hold a token: its route does not."""
    words, request = record.getMessage(), getattr(record, "request", None)
    match = getattr(request, "resolver_match", None)
    return words.replace(request.path, f"/{match.route}") if request is not None and match is not None else words


class JsonFormatter(logging.Formatter):
    """One JSON object a line, always with the same names."""

    def __init__(self, *_args: Any, service: str = "sla-monitor", **_kwargs: Any) -> None:
        super().__init__()
        self._about: dict[str, Any] = {"service": service, "process": process_name()}

    def format(self, record: logging.LogRecord) -> str:
        fields = fields_of(record)
        beside = {name: fields.pop(name, None) for name in BESIDE}
        context = trace.current()
        if context is not None and beside["trace_id"] in (None, context.trace_id):
            named = {"trace_id": context.trace_id, "job_id": context.job_id, "project_id": context.project_id}
            beside |= {name: value for name, value in named.items() if beside[name] is None}
            fields["span_id"] = context.span_id
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
            fields["traceback"] = _end_of(self.formatException(record.exc_info))
        line = self._line(record, beside, fields)
        return line if len(line) <= LONGEST_LINE else self._line(record, beside, {"cut": len(line)})

    def _line(self, record: logging.LogRecord, beside: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
        return as_json(
            at=datetime.fromtimestamp(record.created, UTC),
            level=record.levelname,
            message=mask_text(words_of(record)),
            logger=record.name,
            metadata=fields,
            **self._about,
            **beside,
        )


class LineFormatter(logging.Formatter):
    """One readable line an event: time, level, logger, message, `name=value` for each field."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return mask_text(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = words_of(record)
        fields = fields_of(record)
        if context := trace.current():
            fields.setdefault("trace_id", context.trace_id)
        line = super().formatMessage(record)
        return " ".join([line, *(f"{name}={value!r}" for name, value in fields.items())])


def formatter(form: str = "", **options: Any) -> logging.Formatter:
    """Return the formatter that `form` names, else `LOG_FORMAT`: json, line, or auto, which is line on a terminal."""
    form = form or os.environ.get(FORMAT) or AUTO
    return LineFormatter() if resolved(form) == LINE else JsonFormatter(**options)


def resolved(form: str, descriptor: int = 2) -> str:
    """Return json or line for the value of a setting."""
    return form if form in (JSON, LINE) else LINE if os.isatty(descriptor) else JSON


def as_json(
    *,
    at: datetime,
    level: str,
    message: str,
    service: str,
    process: str,
    logger: str,
    metadata: Mapping[str, Any],
    trace_id: str | None = None,
    job_id: str | None = None,
    project_id: str | None = None,
    duration_ms: float | None = None,
) -> str:
    """Write a line in the common form of all processes."""
    line = {
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": level,
        "service": service,
        "process": process,
        "trace_id": trace_id,
        "job_id": job_id,
        "project_id": project_id,
        "logger": logger,
        "message": message,
        "metadata": metadata,
        "duration_ms": duration_ms,
    }
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def _end_of(text: str) -> str:
    """Return the end of a traceback, which has the exception, masked."""
    return mask_text(text[-8_000:])


def log_uncaught() -> None:
    """Log uncaught exceptions of the process and its threads like other events."""

    def of_process(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        if not issubclass(kind, Exception):
            sys.__excepthook__(kind, error, traceback)
            return
        logging.getLogger("uncaught").critical("process ended by an error", exc_info=(kind, error, traceback))

    sys.excepthook = of_process
    logging.captureWarnings(True)
