import re

import pytest

from accounts.tests.cast import Person
from observability import diagnostics
from observability.diagnostics import Doctor, Table, bad, good, warning


def words(person: Person, language: str = "en") -> str:
    body = person.client.get("/admin/diagnostics/", headers={"Accept-Language": language}).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", body[body.index('class="diagnostics"') :]).split())


def test_what_is_to_be_done_comes_first_and_the_worst_before_the_rest(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "doctor", Doctor())
    diagnostics.doctor.register("a", "Soon full", lambda: warning("60 %", "Buy a disk"), area="database", needs=())
    diagnostics.doctor.register("b", "Broken", lambda: bad("<gone>", "Mend it"), area="database", needs=())

    said = words(admin)

    assert said.index("Action needed") < said.index("Broken") < said.index("Soon full")
    assert "&lt;gone&gt;" in said and "Mend it" in said


def test_its_commands_are_those_that_start_the_program(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLAMONITOR_PROGRAM", "slamonitor")
    monkeypatch.setattr(diagnostics, "doctor", Doctor())
    remedy = "Run: manage.py migrate"
    diagnostics.doctor.register("a", "Tables", lambda: bad("3 missing", remedy), area="database", needs=())

    said = words(admin)

    assert "Run: slamonitor migrate" in said and "in a shell: slamonitor doctor" in said
    assert "manage.py" not in said


def test_a_good_day_has_nothing_to_do_and_shows_figures(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "doctor", Doctor())
    table = Table(columns=["Table", "Rows"], rows=[["services", "7"]])
    diagnostics.doctor.register("a", "Tables", lambda: good("1 table", table), area="database", needs=())

    said = words(admin)

    assert "No action needed" in said
    assert "Figures (Tables) Table Rows services 7" in said


def test_it_says_what_the_doctor_says_in_the_language_of_its_reader(admin: Person) -> None:
    assert "PostgreSQL" in words(admin) and "Retention" in words(admin)

    assert "보존" in words(admin, "ko")


def test_the_menu_leads_admins_there_and_nobody_else(cast: dict[str, Person]) -> None:
    seen = {
        name: '"/admin/diagnostics/"' in cast[name].client.get("/admin/").content.decode()
        for name in ("viewer", "admin")
    }

    assert seen == {"viewer": False, "admin": True}
