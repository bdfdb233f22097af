"""The examples of docs/sla.md are what the accounting says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from monitoring.rules.vectors import differences

DOCUMENT = Path(__file__).parents[3] / "docs" / "sla.md"
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_example(example: Any) -> None:
    assert differences(example) == []


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 11
