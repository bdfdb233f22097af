"""Which tests may run side by side, and in which order they are handed out (`pytest -n 2 --dist loadgroup`)."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
BACKUPS = HERE.parents[1] / "database" / "backups"
# Its tests share a stage that takes seconds to set up, so one process runs all of them.
STAGES = {"browser": HERE / "browser"}
BY_FOLDER = {"browser": HERE / "browser", "processes": HERE / "apart", "slow": BACKUPS}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, and those of a stage; mark what lies in a folder of slow ends."""
    for item in items:
        for mark, folder in BY_FOLDER.items():
            if folder in item.path.parents:
                item.add_marker(mark)
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_turn)


def _group(item: pytest.Item) -> str:
    """Return what must run in one worker: a stage, a file, and all that starts processes.

    Two whole installations at once take longer to start on two cores than their tests wait.
    """
    if item.get_closest_marker("processes"):
        return "processes"
    return next((name for name, folder in STAGES.items() if folder in item.path.parents), str(item.path))


def _turn(item: pytest.Item) -> int:
    """Put long groups first, so that none is left for one worker at the end.

    Browser tests come last: while Playwright runs, this thread has an event loop, which Django refuses.
    """
    if item.get_closest_marker("browser"):
        return 2
    return 0 if item.get_closest_marker("processes") or item.get_closest_marker("slow") else 1
