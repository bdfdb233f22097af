import pytest

from observability import upkeep
from observability.upkeep import Finding, Verdict, bad, good, note, warning


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_checks", {})


def broken() -> Finding:
    raise OSError("no route to host")


def test_findings_come_in_the_order_of_registration_with_the_worst_verdict() -> None:
    upkeep.register("first", "First", lambda: note("so"), area="a", needs=["second"])
    upkeep.register("second", "Second", lambda: warning("hm", "do"), area="a", needs=())

    found = upkeep.examine()

    assert [each.check.name for each in found] == ["first", "second"]
    assert upkeep.worst(found) is Verdict.WARNING


def test_a_question_that_fails_is_a_bad_finding_and_the_others_are_asked() -> None:
    upkeep.register("broken", "Broken", broken, area="a", needs=())
    upkeep.register("fine", "Fine", lambda: good("yes"), area="a", needs=())

    first, second = upkeep.examine()

    assert first.finding.verdict is Verdict.BAD
    assert "OSError: no route to host" in first.finding.says
    assert second.finding.verdict is Verdict.GOOD


def test_what_needs_something_bad_is_not_asked() -> None:
    asked = []
    upkeep.register("rows", "Rows", lambda: asked.append(1) or good("yes"), area="a", needs=["database"])
    upkeep.register("database", "Database", lambda: bad("away", "start it"), area="a", needs=())

    rows, _database = upkeep.examine()

    assert not asked
    assert (rows.finding.verdict, "Database" in rows.finding.says) == (Verdict.NOTE, True)


def test_nothing_registered_is_good() -> None:
    assert upkeep.worst(upkeep.examine()) is Verdict.GOOD
