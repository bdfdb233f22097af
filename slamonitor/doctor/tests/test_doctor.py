import json
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from observability import diagnostics
from observability.diagnostics import Doctor, Table, bad, good, warning
from slamonitor.doctor.findings import AREAS

TABLE = Table(columns=["Table", "Rows"], rows=[["services", "7"], ["x", "1,000"]])
FINDINGS = {"good": good("All fine."), "warning": warning("Soon.", "Hurry."), "bad": bad("Broken.", "Mend it.", TABLE)}


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Any:
    def register(*names: str) -> None:
        monkeypatch.setattr(diagnostics, "doctor", Doctor())
        for name in names:
            diagnostics.doctor.register(
                name, name.title(), partial(FINDINGS.__getitem__, name), area="database", needs=()
            )

    return register


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit status and what was printed."""
    out = StringIO()
    try:
        call_command("doctor", *arguments, stdout=out)
    except SystemExit as exit:
        return int(exit.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.parametrize(
    ("names", "status"), [(["good"], 0), (["good", "warning"], 1), (["warning", "bad", "good"], 2), ([], 0)]
)
def test_the_exit_status_is_the_worst_verdict(only: Any, names: Any, status: int) -> None:
    only(*names)

    assert run()[0] == status


def test_a_remedy_stands_below_its_finding(only: Any) -> None:
    only("bad")

    assert run()[1] == "PostgreSQL\n  BAD   Bad: Broken.\n        → Mend it.\n"


def test_quiet_says_nothing_on_a_good_day(only: Any) -> None:
    only("good")
    assert run("--quiet") == (0, "")

    only("good", "warning")
    assert "Good" not in run("--quiet")[1] and "Warning: Soon." in run("--quiet")[1]


def test_tables_are_set_in_columns(only: Any) -> None:
    only("bad")

    assert run("--tables")[1].splitlines()[-3:] == [
        "        Table      Rows",
        "        services      7",
        "        x         1,000",
    ]


def test_one_check_can_be_asked_alone_and_a_wrong_name_is_refused(only: Any) -> None:
    only("good", "bad")

    assert run("good")[0] == 0
    with pytest.raises(CommandError, match=r"No check is named 'goood'.*good, bad"):
        run("goood")


def test_json_says_everything(only: Any) -> None:
    only("bad")

    assert json.loads(run("--json")[1]) == [
        {
            "name": "bad",
            "area": "database",
            "verdict": "bad",
            "says": "Broken.",
            "remedy": "Mend it.",
            "table": {"columns": ["Table", "Rows"], "rows": [["services", "7"], ["x", "1,000"]]},
        }
    ]


@pytest.mark.django_db
def test_a_real_installation_is_examined_whole() -> None:
    found = json.loads(run("--json")[1])

    assert {"database", "room", "partitions", "retention", "workers", "queues", "user"} <= {
        one["name"] for one in found
    }
    assert {one["area"] for one in found} <= set(AREAS)
    broken = [one for one in found if "could not be determined" in one["says"]]
    assert broken == []
    assert all(one["remedy"] for one in found if one["verdict"] in ("warning", "bad"))
