"""In which order tests are handed out to processes that run side by side (`pytest -n 2 --dist loadfile`)."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
BACKUPS = HERE.parents[1] / "database" / "backups"
BY_FOLDER = {"browser": HERE / "browser", "processes": HERE / "apart", "slow": BACKUPS}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in a folder of slow ends, and put long files first: none is left for one process at the end."""
    for item in items:
        for mark, folder in BY_FOLDER.items():
            if folder in item.path.parents:
                item.add_marker(mark)
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """Order slow tests, all others, and those of the browser: while Playwright runs, its thread has an event loop.

    Django refuses to use the database in such a thread.
    """
    if item.get_closest_marker("browser"):
        return 2
    return 0 if item.get_closest_marker("processes") or item.get_closest_marker("slow") else 1
