"""The request, task or check that the code is working for: W3C Trace Context in a context variable.

The trace id is 32 hexadecimal digits, the same in `traceparent` and in `X-Trace-Id`. Knows no Django.
"""

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace

TRACEPARENT, TRACE_ID, JOB_ID, PROJECT_ID = NAMES = "traceparent", "X-Trace-Id", "X-Job-Id", "X-Project-Id"

# W3C Trace Context, 3.2.2: parse the fields of version 00 in any version but ff, which is invalid.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_FOREIGN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+=-]{0,127}")  # safe in a header, a log line and a terminal
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
KEPT_OF_UNUSABLE = 128  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """The trace that a piece of work belongs to, and its own span in it."""

    trace_id: str  # 32 hexadecimal digits
    span_id: str  # 16, ours
    parent_id: str | None = None  # 16, the caller's
    flags: str = "01"  # 01: the caller records this trace
    job_id: str | None = None
    project_id: str | None = None
    unusable_id: str | None = None  # an invalid trace id that was received

    @property
    def traceparent(self) -> str:
        """Return the header by which our own requests continue the trace."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


_current: ContextVar[TraceContext | None] = ContextVar("trace", default=None)


def current() -> TraceContext | None:
    """Return the current trace, or None outside of requests, tasks and checks."""
    return _current.get()


@contextmanager
def following(context: TraceContext) -> Iterator[TraceContext]:
    """Use a trace within the block."""
    token = enter(context)
    try:
        yield context
    finally:
        leave(token)


def enter(context: TraceContext) -> Token[TraceContext | None]:
    """Use a trace until `leave`, for code in which signals mark begin and end."""
    return _current.set(context)


def leave(token: Token[TraceContext | None]) -> None:
    _current.reset(token)


def begin(trace_id: str | None = None) -> TraceContext:
    """Return a new span: of the given trace, of the current one, or of a new one."""
    now = _current.get()
    if now is not None and trace_id in (None, now.trace_id):
        return replace(now, span_id=new_span_id(), parent_id=now.span_id, unusable_id=None)
    return TraceContext(trace_id=trace_id or new_trace_id(), span_id=new_span_id())


def accept(headers: Mapping[str, str]) -> TraceContext:
    """Continue the trace in the headers (as they are spelt in this module), or begin one.

    `traceparent` takes precedence over `X-Trace-Id`. An invalid one is replaced by a new id and kept with it.
    """
    trace_id, parent_id, flags = _parent(headers.get(TRACEPARENT, ""))
    given = headers.get(TRACE_ID, "")
    trace_id = trace_id or _usable(given)
    unusable = given or headers.get(TRACEPARENT) if trace_id is None else None
    return TraceContext(
        trace_id=trace_id or new_trace_id(),
        span_id=new_span_id(),
        parent_id=parent_id,
        flags=flags,
        job_id=_foreign(headers.get(JOB_ID)),
        project_id=_foreign(headers.get(PROJECT_ID)),
        unusable_id=unusable[:KEPT_OF_UNUSABLE] if unusable else None,
    )


def carried() -> dict[str, str]:
    """Return the headers by which a message or request that we send now continues the current trace."""
    context = _current.get()
    if context is None:
        return {}
    named = {
        TRACEPARENT: context.traceparent,
        TRACE_ID: context.trace_id,
        JOB_ID: context.job_id,
        PROJECT_ID: context.project_id,
    }
    return {name: value for name, value in named.items() if value}


# Ids need to differ, not to be secret, and asking the kernel for each costs more than all else here. Python seeds its
# generator again in a forked child.
def new_trace_id() -> str:
    return f"{random.getrandbits(128):032x}"


def new_span_id() -> str:
    return f"{random.getrandbits(64):016x}"


def _parent(text: str) -> tuple[str | None, str | None, str]:
    """Parse trace id, parent and flags of a traceparent; without ids if it is invalid."""
    found = _TRACEPARENT.fullmatch(text.strip())
    if found is None or found[2] == _NO_TRACE or found[3] == _NO_SPAN or (found[1] == "00" and found[5]):
        return None, None, "01"
    # Only the first of the flags is passed on.
    return found[2], found[3], "01" if int(found[4], 16) & 1 else "00"


def _usable(text: str) -> str | None:
    """Return a trace id in its normal form, or None; a UUID is the same 128 bits."""
    bare = text.strip().lower().replace("-", "")
    return bare if _TRACE_ID.fullmatch(bare) and bare != _NO_TRACE else None


def _foreign(text: str | None) -> str | None:
    return text if text and _FOREIGN_ID.fullmatch(text) else None
