"""Log lines of checks."""

import logging
from dataclasses import replace

import pytest
from pytest_django import Settings

from monitoring.tests.factories import START_MS, make_result
from monitoring.worker import check_log
from monitoring.worker.messages import pack_results, unpack_results
from monitoring.worker.specs import trace_id

SENT = "0af7651916cd43dd8448eb211c80319c"


def test_a_worker_with_a_key_of_its_own_logs_the_id_that_the_target_received(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SECRET_KEY = "the-key-of-the-probe-worker-is-another-one"
    caplog.set_level(logging.INFO)

    check_log.tell_made([replace(make_result(0, "bad"), trace_id=SENT)])

    assert [vars(record)["trace_id"] for record in caplog.records] == [SENT]


def test_the_recorder_derives_the_same_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    (received,) = unpack_results(pack_results([replace(make_result(0), trace_id=SENT)]))

    check_log.tell_recorded([received])

    assert [vars(record)["trace_id"] for record in caplog.records] == [trace_id("payments", "default", START_MS)]
