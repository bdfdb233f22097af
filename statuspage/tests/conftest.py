from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.test import Client


@pytest.fixture
def visit(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Fetch the page at NOW, or some seconds later, from a process that has just started."""
    # Not at the top: pytest reads this file before Django is set up.
    from statuspage import front
    from statuspage.tests.cast import NOW, reading_keeper

    monkeypatch.setattr(front, "keeper", reading_keeper())

    def get(path: str = "/", *, after_s: float = 0, **headers: str) -> Any:
        with time_machine.travel(NOW.timestamp() + after_s, tick=False):
            return client.get(path, headers=headers)

    return get
