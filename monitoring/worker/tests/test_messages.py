import json
from typing import Any

import pytest

from monitoring.probes.model import ProbeSpec
from monitoring.tests.factories import make_result
from monitoring.worker import messages

SPEC = ProbeSpec(
    service_id="payments",
    region="default",
    version=3,
    url="http://payments.example/",
    timeout_ms=5000,
    interval_ms=60_000,
    due_at_ms=1_741_564_800_000,
    expires_at_ms=1_741_564_810_000,
    trace_id="0" * 32,
)


def through_the_broker(table: Any) -> Any:
    return json.loads(json.dumps(table))


def test_specs_arrive_as_they_were_sent() -> None:
    assert messages.unpack_specs(through_the_broker(messages.pack_specs([SPEC]))) == [SPEC]


def test_results_arrive_as_they_were_sent() -> None:
    results = [make_result(0), make_result(60, "bad"), make_result(120, requests=())]

    assert messages.unpack_results(through_the_broker(messages.pack_results(results))) == results


def test_a_field_of_a_newer_version_is_left_out() -> None:
    table = messages.pack_specs([SPEC])
    newer = {"fields": [*table["fields"], "colour"], "rows": [[*table["rows"][0], "blue"]]}

    assert messages.unpack_specs(newer) == [SPEC]


def test_a_missing_field_is_an_error() -> None:
    table = messages.pack_specs([SPEC])

    with pytest.raises(TypeError, match="service_id"):
        messages.unpack_specs({"fields": table["fields"][1:], "rows": [table["rows"][0][1:]]})
