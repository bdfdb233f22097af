"""One place says which release this is, and the changelog knows it."""

import re

from django.test import Client

from observability.version import PROJECT, VERSION


def test_the_changelog_has_a_dated_section_for_this_release() -> None:
    headings = re.findall(r"^## (.+)$", (PROJECT.parent / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(VERSION)} – \d{{4}}-\d\d-\d\d", headings[1])


def test_health_names_it(client: Client) -> None:
    assert client.get("/livez").json()["version"] == VERSION
