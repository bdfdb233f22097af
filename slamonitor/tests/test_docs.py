"""What operators read is complete."""

import re

from slamonitor.embedded.state_directory import CHECKOUT

OPERATIONS = (CHECKOUT / "docs" / "operations.md").read_text()


def documented() -> dict[str, str]:
    """Return every setting of .env.example with its default."""
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", (CHECKOUT / ".env.example").read_text(), re.MULTILINE))


def rows() -> dict[str, str]:
    """Return the defaults of the table of settings, as it has them, by name."""
    lines = re.findall(r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \| ([^|]*)\|", OPERATIONS, re.MULTILINE)
    return {name: default.strip() for names, default in lines for name in re.findall(r"[A-Z_]+", names)}


def test_every_setting_is_in_the_table_and_nothing_else():
    assert rows().keys() == documented().keys()


def test_defaults_in_the_table_are_those_of_the_example():
    assert [
        name for name, value in documented().items() if value not in rows()[name].replace(", ", ",").replace("`", "")
    ] == []


def test_every_question_of_an_operator_has_its_part():
    wanted = ("Install", "Configure", "Upgrade", "Rolling back", "Scale", "Troubles")
    troubles = ("A migration failed", "Connection refused", "The disk is full", "It falls behind")

    assert [title for title in wanted if not re.search(rf"^##+ {title}$", OPERATIONS, re.MULTILINE)] == []
    assert [title for title in troubles if f"**{title}.**" not in OPERATIONS] == []


def test_links_lead_somewhere():
    for path in (CHECKOUT / "docs" / "operations.md", CHECKOUT / "docs" / "security.md", CHECKOUT / "SECURITY.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / link).exists(), f"{link} in {path.name}"
