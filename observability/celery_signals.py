"""Carry the trace of a request into the tasks that it causes, and report their ends."""

from contextvars import Token
from typing import Any

from celery.signals import (
    before_task_publish,
    setup_logging,
    task_failure,
    task_postrun,
    task_prerun,
    worker_process_shutdown,
)

from observability import jobs, log_sink, trace
from observability.trace import TraceContext

_under_way: dict[str, Token[TraceContext | None]] = {}  # by task id


@before_task_publish.connect
def _carry(headers: dict[str, Any], **_: Any) -> None:
    headers.update(trace.carried())


@task_prerun.connect
def _begin(task_id: str, task: Any, **_: Any) -> None:
    sent = {**(task.request.headers or {}), **vars(task.request)}  # the former when it runs in the sender's process
    carried = {name: sent[name] for name in trace.NAMES if isinstance(sent.get(name), str)}
    _under_way[task_id] = trace.enter(trace.accept({trace.JOB_ID: task_id, **carried}))
    jobs.begin(task.name, task_id)


@task_failure.connect
def _fail(task_id: str, sender: Any, exception: BaseException, **_: Any) -> None:
    jobs.fail(sender.name, task_id, exception)


@task_postrun.connect
def _end(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    jobs.end(task.name, task_id, state)
    if token := _under_way.pop(task_id, None):
        trace.leave(token)


@setup_logging.connect
def _leave_logging_alone(**_: Any) -> None:
    """Keep the settings' logging: Celery would set levels of its own and write lines in another form."""


@worker_process_shutdown.connect
def _flush(**_: Any) -> None:
    log_sink.flush()  # a pool process ends without `atexit`
