"""The docs for operators are complete."""

import re
from pathlib import Path

from slamonitor.embedded.state_directory import CHECKOUT

OPERATIONS = (CHECKOUT / "docs" / "operations.md").read_text()


def documented() -> dict[str, str]:
    """Return every setting of .env.example with its default."""
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", (CHECKOUT / ".env.example").read_text(), re.MULTILINE))


def rows() -> dict[str, str]:
    """Return the defaults of the table of settings, as it has them, by name."""
    lines = re.findall(r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \| ([^|]*)\|", OPERATIONS, re.MULTILINE)
    return {name: default.strip() for names, default in lines for name in re.findall(r"[A-Z_]+", names)}


def test_every_setting_is_in_the_table_and_nothing_else() -> None:
    assert rows().keys() == documented().keys()


def test_defaults_in_the_table_are_those_of_the_example() -> None:
    assert [
        name for name, value in documented().items() if value not in rows()[name].replace(", ", ",").replace("`", "")
    ] == []


def test_every_question_of_an_operator_has_its_part() -> None:
    wanted = ("Install", "Configure", "Upgrade", "Rolling back", "Scale", "Troubles")
    troubles = ("A migration failed", "Connection refused", "The disk is full", "It falls behind")

    assert [title for title in wanted if not re.search(rf"^##+ {title}$", OPERATIONS, re.MULTILINE)] == []
    assert [title for title in troubles if f"**{title}.**" not in OPERATIONS] == []


def test_links_lead_somewhere() -> None:
    """Links of every page, to files and to headings."""
    pages = [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(CHECKOUT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text())
        if not leads_somewhere(page, link)
    ]

    assert broken == []


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not heading or heading in headings(target))


def headings(page: Path) -> set[str]:
    """Return the names by which links reach the headings of a page, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_index_lists_every_page() -> None:
    for folder in (CHECKOUT / "docs", CHECKOUT / "docs" / "decisions"):
        index = (folder / "README.md").read_text()
        pages = [page.name for page in folder.glob("*.md") if page.name != "README.md"]

        assert [name for name in pages if f"]({name})" not in index] == []
