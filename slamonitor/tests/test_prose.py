"""The words that `make lint` refuses are found in prose and nowhere else."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from slamonitor.embedded.state_directory import CHECKOUT


@pytest.fixture(scope="module")
def prose() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prose", CHECKOUT / "deploy" / "prose.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(prose: ModuleType, path: Path, text: str) -> list[int]:
    path.write_text(text)
    return sorted(line for line, _ in prose.problems_in(path))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One lot of results.\n", [1]),
        ("Good.\n\nTwo\nlots, read anew.\n", [4, 4]),
        ("It tells\nof a folded day.\n", [1, 2]),
        ("A slot is allotted; checks are folded into a state.\n", []),
        ("The column `lot`, and\n\n```\nlots\n```\n\n[a page](desk.md#mend)\n", []),
        ("It ends. Whoever asks gets\nan answer. Good.\n", [1]),
        ("| a | What is late is dropped. |\n", [1]),
        ("## What it costs\n\nWhat does it cost? Little.\n", []),
    ],
)
def test_markdown(prose: ModuleType, tmp_path: Path, text: str, found: list[int]) -> None:
    assert lines(prose, tmp_path / "page.md", text) == found


def test_docstrings_and_comments_are_prose_and_code_is_not(prose: ModuleType, tmp_path: Path) -> None:
    text = '''"""Store a batch.

Each lot once.
"""

lot = "a lot"  # a lot


def mend() -> None:
    """Mend a thing."""
    # Who knows this is
    # told of it.
'''
    assert lines(prose, tmp_path / "module.py", text) == [3, 6, 10, 11, 12]


def test_messages_of_a_catalogue_are_prose_and_translations_are_not(prose: ModuleType, tmp_path: Path) -> None:
    text = """#: lot.py:1
msgid ""
"One "
"lot"
msgstr "lot"

msgid "desk"
msgid_plural "desks"
msgstr[0] "desk"
"""

    assert lines(prose, tmp_path / "django.po", text) == [4, 7, 8]


def test_every_term_of_the_glossary_has_one_line_in_order() -> None:
    rows = [line for line in (CHECKOUT / "docs" / "glossary.md").read_text().splitlines() if line.startswith("| ")][1:]
    terms = [row.split("|")[1].strip() for row in rows if not row.startswith("| ---")]

    assert terms == sorted(terms, key=str.casefold)
    assert len(set(terms)) == len(terms)
    assert all(row.endswith(". |") for row in rows if not row.startswith("| ---"))
