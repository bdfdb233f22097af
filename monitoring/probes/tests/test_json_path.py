"""Paths of JSON: what they find, what of them is refused, and what they may cost."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.probes.http.json_path import NotThere, find, parse
from monitoring.probes.http.json_query import Effort, TooCostly, equal

DOCUMENT = {
    "checks": [
        {"name": "db", "is up": True, "ms": 4, "tags": ["main"]},
        {"name": "web", "is up": False, "ms": 40, "tags": []},
    ],
    "odd": [0, None, False, "", {}],
    "one": [1],
    "true": [True],
}


def found(path: str, document: Any = DOCUMENT) -> dict[str, Any]:
    return {node.location: node.obj for node in find(document, parse(path), Effort())}


def found_or_nothing(path: str) -> dict[str, Any]:
    try:
        return found(path)
    except NotThere:
        return {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.checks[*].name", {"$.checks[0].name": "db", "$.checks[1].name": "web"}),
        ("$.checks[1:].name", {"$.checks[1].name": "web"}),
        ("$.checks[::-1].ms", {"$.checks[1].ms": 40, "$.checks[0].ms": 4}),
        ("$.checks[0]['ms','is up']", {"$.checks[0].ms": 4, '$.checks[0]["is up"]': True}),
        ("$..ms", {"$.checks[0].ms": 4, "$.checks[1].ms": 40}),
        ("$.checks[?@.ms >= 40].name", {"$.checks[1].name": "web"}),
        ("$.checks[?@['is up'] == true && @.ms < 9].name", {"$.checks[0].name": "db"}),
        ("$.checks[?!@.tags[0]].name", {"$.checks[1].name": "web"}),
        ("$.checks[?count(@.tags[*]) == 1].name", {"$.checks[0].name": "db"}),
        ("$.checks[?length(@.name) == 3].ms", {"$.checks[1].ms": 40}),
        ("$.checks[?value(@..tags[0]) == 'main'].ms", {"$.checks[0].ms": 4}),
        ("$.checks[?match(@.name, 'd.')].ms", {"$.checks[0].ms": 4}),
        ("$.checks[?search(@.name, 'e|x')].ms", {"$.checks[1].ms": 40}),
        ("$.odd[?@]", {"$.odd[0]": 0, "$.odd[1]": None, "$.odd[2]": False, "$.odd[3]": "", "$.odd[4]": {}}),
        ("$.checks[0]['name', 'tags'][0:]", {"$.checks[0].tags[0]": "main"}),
        ("$.odd[?@ < true]", {}),
        ("$.odd[?@ <= false]", {"$.odd[2]": False}),
        ("$[?@ <= $.true]", {"$.true": [True]}),
        ("$.odd[?@ == false]", {"$.odd[2]": False}),
        ("$[?@ == $.one]", {"$.one": [1]}),
        ("$.checks[?@.tags[?@ == $.checks[0].tags[0]]].name", {"$.checks[0].name": "db"}),
    ],
)
def test_a_path_finds_values_as_the_rfc_says(path: str, expected: dict[str, Any]) -> None:
    assert list(found_or_nothing(path).items()) == list(expected.items())


def test_a_text_is_no_document_to_read() -> None:
    assert found("$", '{"a": 1}') == {"$": '{"a": 1}'}


names = st.text(st.characters(categories=("L", "N"), include_characters="_-"), min_size=1)
quoted = st.text(st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="'\"\\"), min_size=1)
steps = st.one_of(
    names.map(lambda name: (f".{name}", name)),
    quoted.map(lambda name: (f'["{name}"]', name)),
    quoted.map(lambda name: (f"['{name}']", name)),
    st.integers(0, 3).map(lambda index: (f"[{index}]", index)),
    st.integers(-4, -1).map(lambda index: (f"[{index}]", index)),
)


@given(st.lists(steps, max_size=5))
def test_a_path_without_queries_leads_where_it_is_written(written: list[tuple[str, Any]]) -> None:
    document: Any = "here"
    for _, key in reversed(written):
        document = [document] * 4 if isinstance(key, int) else {key: document, f"{key}+": 1}

    nodes = find(document, parse("$" + "".join(text for text, _ in written)), Effort())

    assert [node.obj for node in nodes] == ["here"]


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("", ""),
        ("a", "a"),
        ("$a", "a"),
        ("$.", "."),
        ("$.a b", "b"),
        ("$[x]", "x]"),
        ("$[01]", "01]"),
        ("$.a[", "["),
        ("$.a[?@.b ==", "="),
        ("$[?@.a == [1]]", "[1]]"),
        ("$[?length(@.a)]", "?length(@.a)]"),
        ("$[?nosuch(@)]", "nosuch(@)]"),
        ("$[?match(@.a, '(')]", "match(@.a, '(')]"),
        ("$[?match(@.a, '(?=a)')]", "match(@.a, '(?=a)')]"),
        ("$[?match(@.a, @.b)]", "match(@.a, @.b)]"),
        ("$[?@.a == 1e999]", "$[?@.a == 1e999]"),
        ("$[?" + "(" * 480 + "@" + ")" * 480 + "]", None),  # how deep it goes depends on the stack
    ],
)
def test_a_path_that_is_wrong_says_where(path: str, rest: str | None) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  its words are the rest of the path
        parse(path)

    assert str(caught.value) == (path if rest is None else rest)


pieces = [*"$.[]()?@*,:=!<>&|'\"\\ae01- ", "..", "&&", "==", "[?", "match(", "count(", "@.a"]


@given(st.lists(st.sampled_from(pieces), max_size=200).map("".join))
def test_anything_else_is_read_or_refused(rest: str) -> None:
    with contextlib.suppress(ValueError, NotThere, TooCostly):
        find(DOCUMENT, parse("$" + rest), Effort())


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("$.checks[2].name", "$.checks is a list without an item [2]"),
        ("$.checks.name", "$.checks is a list"),
        ("$.checks[?@.ms > 99].name", "nothing in $.checks fits [?@['ms'] > 99]"),
        ("$.checks[*].nope", "nothing in $.checks[0] and 1 more fits ['nope']"),
    ],
)
def test_what_is_missing_is_said(path: str, words: str) -> None:
    with pytest.raises(NotThere) as caught:
        found(path)

    assert str(caught.value) == words


def test_a_long_name_in_a_document_does_not_make_a_long_message() -> None:
    with pytest.raises(NotThere) as caught:
        found("$.*.x", {"k\n" * 500: 1})

    assert str(caught.value).isprintable() and len(str(caught.value)) < 200


NUMBERS = [1] * 400_000
NESTED = json.loads('{"a":' * 60 + "1" + "}" * 60)
LONG_KEY = {"k" * 500_000: NUMBERS}
TEXTS = ["ab" * 8_000 + "c"] * 30


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("$..*", NUMBERS),
        ("$..x", [NUMBERS, NUMBERS]),
        ("$..x", NESTED),
        ("$..*", LONG_KEY),
        ("$[*]", NUMBERS),
        ("$[0:]", NUMBERS),
        ("$[?@.a]", NUMBERS),
        ("$[?count($..*) > 1]", [[1] * 1_000] * 1_000),
        ("$[?@ == $[1]]", [NUMBERS, NUMBERS]),
        ("$" + "[*,*]" * 30, [[[[[[[[[[[[1]]]]]]]]]]]]),
        ("$..[?" + "||".join(["1==2"] * 70) + "]", [[]] * 10_000),
        ("$[?" + "!" * 400 + "@.a]", NUMBERS),
        ("$[?match(@, '(a*)*b')]", ["a" * 400_000]),
        ("$[?search(@, '((a|b){500}){2}c')]", TEXTS),
    ],
)
def test_a_costly_look_up_is_given_up(path: str, document: Any) -> None:
    with pytest.raises(TooCostly):
        find(document, parse(path), Effort())


def test_all_paths_of_a_check_share_what_they_may_cost() -> None:
    effort, query = Effort(), parse("$[*]")
    document = [1] * 12_000

    find(document, query, effort)

    with pytest.raises(TooCostly):
        find(document, query, effort)
    find(document, parse("$[11999]"), Effort())


def test_values_are_compared_as_json_does() -> None:
    assert equal(1, 1.0) and not equal(1, True) and not equal(0, False) and equal(False, False)
    assert equal([1, {"a": None}], [1.0, {"a": None}]) and not equal([1], [True]) and not equal({"a": 1}, {"b": 1})
