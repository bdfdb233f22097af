"""A status, a verdict and a kind of time look the same on all pages."""

from typing import Any

import pytest

from monitoring.admin_site.signs import SHAPES
from monitoring.probes.model import Verdict
from monitoring.rules.sla import Kind
from monitoring.rules.state import Status
from monitoring.words.statuses import KIND_TONES, STATUS_LABELS, STATUS_TONES, VERDICT_TONES


@pytest.mark.parametrize(
    ("shown", "values"),
    [(STATUS_LABELS, Status), (STATUS_TONES, Status), (VERDICT_TONES, Verdict), (KIND_TONES, Kind)],
)
def test_every_value_has_one(shown: Any, values: Any) -> None:
    assert set(shown) == set(values)


def test_every_tone_has_a_shape() -> None:
    tones = {*STATUS_TONES.values(), *VERDICT_TONES.values(), *KIND_TONES.values()}

    assert tones <= SHAPES.keys()


@pytest.mark.parametrize("status", Status)
def test_time_of_a_status_looks_like_the_status(status: Any) -> None:
    assert KIND_TONES[Kind[status.name]] == STATUS_TONES[status]
