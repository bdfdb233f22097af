"""Every message has a Korean translation, and the compiled catalogue is up to date."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.utils.translation.template import templatize

APPS = ("accounts", "database", "incidents", "monitoring", "observability", "slamonitor", "statuspage", "tracing")
MARKERS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"}
CATALOGUE = settings.BASE_DIR / "locale" / "ko" / "LC_MESSAGES" / "django.po"
CALLS = re.compile(r"""\b(_|gettext|ngettext|pgettext)\(((?:u?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')[,\s]*)+)""")

Message = tuple[str, str]  # context or "", and the English text


def messages_of_python(path: Path) -> Iterator[Message]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKERS:
            texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            assert texts, f"{path}:{node.lineno}: only literal texts can be translated"
            yield (texts[0], texts[1]) if node.func.id.startswith("pgettext") else ("", texts[0])  # type: ignore[misc]


def messages_of_template(path: Path) -> Iterator[Message]:
    """Read the calls that Django generates from translation tags for xgettext, which a bare machine does not have."""
    for name, arguments in CALLS.findall(templatize(path.read_text())):
        texts = ast.literal_eval(f"({arguments.rstrip(', ')},)")
        yield (texts[0], texts[1]) if name == "pgettext" else ("", texts[0])


@cache
def messages() -> set[Message]:
    python = [p for app in APPS for p in (settings.BASE_DIR / app).rglob("*.py") if "tests" not in p.parts]
    templates = [p for folder in ("templates", *APPS) for p in (settings.BASE_DIR / folder).rglob("*.html")]
    return {m for p in python for m in messages_of_python(p)} | {m for p in templates for m in messages_of_template(p)}


def entries(catalogue: polib.POFile | polib.MOFile) -> dict[Message, str]:
    """Return the translation of each message; a plural has a single form in Korean."""
    known = (entry for entry in catalogue if not entry.obsolete)
    return {(entry.msgctxt or "", entry.msgid): entry.msgstr or entry.msgstr_plural.get(0, "") for entry in known}


@pytest.fixture(scope="module")
def korean() -> polib.POFile:
    return polib.pofile(CATALOGUE)


def test_every_sentence_is_translated(korean: polib.POFile) -> None:
    translated = {message for message, text in entries(korean).items() if text}

    missing = sorted(messages() - translated)

    assert not missing, f"without Korean in {CATALOGUE.name}: {missing}"


def test_no_translation_is_left_over_or_doubtful(korean: polib.POFile) -> None:
    assert sorted(set(entries(korean)) - messages()) == []
    assert [entry.msgid for entry in korean if entry.fuzzy] == []


def test_compiled_file_is_that_of_the_written_one(korean: polib.POFile) -> None:
    compiled = polib.mofile(CATALOGUE.with_suffix(".mo"))

    assert entries(compiled) == entries(korean), "run manage.py compilemessages -l ko"


def test_translations_fill_in_the_same_values(korean: polib.POFile) -> None:
    def names(text: str) -> set[str]:
        return set(re.findall(r"%\((\w+)\)", text))

    assert [text for (_, text), words in entries(korean).items() if names(text) != names(words)] == []


def test_extraction_finds_what_is_known_to_be_there() -> None:
    found = messages()

    assert ("before a time or an age", "Updated") in found
    assert ("", "Powered by %(product)s") in found
    assert ("", "%(name)s has been down since %(time)s") in found
