import pytest

from observability import diagnostics
from observability.diagnostics import Doctor, Finding, Verdict, bad, good, note, warning


@pytest.fixture
def doctor() -> Doctor:
    return Doctor()


def broken() -> Finding:
    raise OSError("no route to host")


def test_findings_come_in_the_order_of_registration_with_the_worst_verdict(doctor: Doctor) -> None:
    doctor.register("first", "First", lambda: note("so"), area="a", needs=["second"])
    doctor.register("second", "Second", lambda: warning("hm", "do"), area="a", needs=())

    found = doctor.examine()

    assert [each.check.name for each in found] == ["first", "second"]
    assert diagnostics.worst(found) is Verdict.WARNING


def test_a_question_that_fails_is_a_bad_finding_and_the_others_are_asked(doctor: Doctor) -> None:
    doctor.register("broken", "Broken", broken, area="a", needs=())
    doctor.register("fine", "Fine", lambda: good("yes"), area="a", needs=())

    first, second = doctor.examine()

    assert first.finding.verdict is Verdict.BAD
    assert "OSError: no route to host" in first.finding.says
    assert second.finding.verdict is Verdict.GOOD


def test_what_needs_something_bad_is_not_asked(doctor: Doctor) -> None:
    asked = []
    doctor.register("rows", "Rows", lambda: asked.append(1) or good("yes"), area="a", needs=["database"])
    doctor.register("database", "Database", lambda: bad("away", "start it"), area="a", needs=())

    rows, _database = doctor.examine()

    assert not asked
    assert (rows.finding.verdict, "Database" in rows.finding.says) == (Verdict.NOTE, True)


def test_nothing_registered_is_good(doctor: Doctor) -> None:
    assert diagnostics.worst(doctor.examine()) is Verdict.GOOD
