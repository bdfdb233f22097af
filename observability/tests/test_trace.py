import re

import pytest

from observability import trace

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("headers", "trace_id", "parent_id", "unusable"),
    [
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, TRACE, SPAN, None),
        ({"traceparent": f"00-{TRACE}-{SPAN}-01", "X-Trace-Id": "f" * 32}, TRACE, SPAN, None),
        ({"traceparent": f"cc-{TRACE}-{SPAN}-01-what-comes-later"}, TRACE, SPAN, None),
        ({"X-Trace-Id": TRACE}, TRACE, None, None),
        ({"X-Trace-Id": "0AF76519-16CD-43DD-8448-EB211C80319C"}, TRACE, None, None),
        ({"traceparent": "broken", "X-Trace-Id": TRACE}, TRACE, None, None),
        ({"X-Trace-Id": "test-trace-001"}, None, None, "test-trace-001"),
        ({"X-Trace-Id": "0" * 32}, None, None, "0" * 32),
        ({"X-Trace-Id": "x" * 1000}, None, None, "x" * 128),
        ({"traceparent": f"00-{'0' * 32}-{SPAN}-01"}, None, None, f"00-{'0' * 32}-{SPAN}-01"),
        ({"traceparent": f"00-{TRACE}-{'0' * 16}-01"}, None, None, f"00-{TRACE}-{'0' * 16}-01"),
        ({"traceparent": f"ff-{TRACE}-{SPAN}-01"}, None, None, f"ff-{TRACE}-{SPAN}-01"),
        ({"traceparent": f"00-{TRACE}-{SPAN}-01-extra"}, None, None, f"00-{TRACE}-{SPAN}-01-extra"),
        ({"traceparent": f"00-{TRACE.upper()}-{SPAN}-01"}, None, None, f"00-{TRACE.upper()}-{SPAN}-01"),
        ({}, None, None, None),
    ],
)
def test_a_trace_is_continued_or_begun(
    headers: dict[str, str], trace_id: str | None, parent_id: str | None, unusable: str | None
) -> None:
    context = trace.accept(headers)

    assert re.fullmatch(r"[0-9a-f]{32}", context.trace_id)
    assert trace_id in (None, context.trace_id)
    assert (context.parent_id, context.unusable_id) == (parent_id, unusable)
    assert re.fullmatch(rf"00-{context.trace_id}-[0-9a-f]{{16}}-01", context.traceparent)


def test_caller_that_records_nothing_is_believed() -> None:
    assert trace.accept({"traceparent": f"00-{TRACE}-{SPAN}-00"}).traceparent.endswith("-00")


@pytest.mark.parametrize("job", ["with\nbreak", "x" * 129, "", "\x1b[31m", "공백"])
def test_foreign_ids_that_could_harm_a_log_are_left_out(job: str) -> None:
    assert trace.accept({"X-Job-Id": job}).job_id is None


def test_what_we_send_continues_what_we_received() -> None:
    received = trace.accept({"traceparent": f"00-{TRACE}-{SPAN}-01", "X-Job-Id": "job:7"})

    with trace.following(received):
        sent = trace.accept(trace.carried())
    assert (sent.trace_id, sent.parent_id, sent.job_id) == (TRACE, received.span_id, "job:7")
    assert trace.current() is None and trace.carried() == {}


def test_a_step_of_the_same_trace_has_a_span_of_its_own() -> None:
    with trace.following(trace.accept({"X-Trace-Id": TRACE, "X-Project-Id": "p"})) as outer:
        step, other = trace.begin(), trace.begin("e" * 32)

    assert (step.trace_id, step.parent_id, step.project_id) == (TRACE, outer.span_id, "p")
    assert step.span_id != outer.span_id
    assert (other.trace_id, other.parent_id, other.project_id) == ("e" * 32, None, None)
