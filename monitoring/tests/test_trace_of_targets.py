"""A target that runs an unmodified OpenTelemetry SDK continues our trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.utils import timezone
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from monitoring.engine.check_now import check_now
from monitoring.rules.unix_time import to_ms
from monitoring.tests.factories import make_service
from monitoring.worker.specs import trace_id
from observability import trace

pytestmark = pytest.mark.django_db

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
tracer = provider.get_tracer("target")


class Target(BaseHTTPRequestHandler):
    """Does what the SDK's own instrumentation of servers does with a request."""

    def do_GET(self) -> None:
        parent = TraceContextTextMapPropagator().extract(dict(self.headers.items()))
        with tracer.start_as_current_span("GET", context=parent, kind=SpanKind.SERVER):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class TargetServer(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for those who answer: only then are their spans over


@contextmanager
def target() -> Iterator[str]:
    spans.clear()
    with TargetServer(("127.0.0.1", 0), Target) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def only_span() -> ReadableSpan:
    found = spans.get_finished_spans()
    assert len(found) == 1
    return found[0]


def test_target_continues_the_trace_of_a_check() -> None:
    now = timezone.now()

    with target() as url:
        result = check_now(make_service(endpoint_url=url), now).result

    span = only_span()
    assert f"{span.context.trace_id:032x}" == result.trace_id == trace_id("payments", "default", to_ms(now))
    assert span.parent is not None and span.parent.is_remote and span.parent.span_id
    assert span.context.trace_flags.sampled, "what we ask is worth recording"


def test_target_continues_the_trace_of_the_request_that_asked_for_the_check() -> None:
    with target() as url, trace.following(trace.accept({})) as request:
        check_now(make_service(endpoint_url=url), timezone.now())

    assert f"{only_span().context.trace_id:032x}" == request.trace_id


def test_the_sdk_reads_what_we_send_and_we_read_what_it_sends() -> None:
    headers: dict[str, str] = {}
    with tracer.start_as_current_span("client") as span:
        TraceContextTextMapPropagator().inject(headers)

    received = trace.accept(headers)

    assert received.trace_id == f"{span.get_span_context().trace_id:032x}"
    assert received.parent_id == f"{span.get_span_context().span_id:016x}"
