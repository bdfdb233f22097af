"""Markdown of updates: what stays, and what no text may bring onto a page."""

import pytest
from django.core.exceptions import ValidationError

from incidents import markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**Cards** fail, *payments* work.", "<p><strong>Cards</strong> fail, <em>payments</em> work.</p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        (
            "[status](https://example.com/a?b=1&c=2)",
            '<p><a href="https://example.com/a?b=1&amp;c=2" rel="noopener noreferrer nofollow">status</a></p>',
        ),
    ],
)
def test_the_usual_markdown_is_shown(text: str, shown: str) -> None:
    assert markdown.html(text).strip() == shown


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![seen](https://tracker.example/pixel.png)",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt&colon;alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "<a href='javascript:alert(1)'>a</a>",
        "<svg/onload=alert(1)>",
        "<style>*{display:none}</style>",
        '[a](https://example.com "x\\" onmouseover=\\"alert(1)")',
        "# Heading\n\n<h1>x</h1>",
        "a\n===",
    ],
)
def test_nothing_in_a_text_runs_loads_or_disturbs_the_page(text: str) -> None:
    shown = markdown.html(text)

    assert not any(f"<{name}" in shown for name in ("script", "img", "svg", "style", "h1", "iframe"))
    assert 'href="javascript' not in shown.lower()
    assert 'href="data' not in shown.lower()
    assert ' onmouseover="' not in shown


def test_text_that_turns_its_direction_does_not_turn_the_rest_of_the_page() -> None:
    shown = markdown.html("a\u202eb\u2066c \u05d0\u200f!")

    assert "\u202e" not in shown
    assert "\u2066" not in shown
    assert "\u200f" in shown


def test_a_table_of_any_size_stays_a_table() -> None:
    row = "|" + "x|" * 100 + "\n"
    text = row + "|" + "-|" * 100 + "\n" + row * 40

    shown = markdown.html(text)

    assert shown.count("<tr>") == 41
    assert shown.startswith("<table>")


@pytest.mark.parametrize("nested", ["> " * 5_000 + "x", "[" * 9_000, "*" * 15_000, "- " * 8_000, "`" * 19_999])
def test_deep_nesting_is_read_without_falling_over(nested: str) -> None:
    assert markdown.html(nested).startswith("<")


def test_a_text_that_is_too_long_is_refused_with_its_length() -> None:
    with pytest.raises(ValidationError, match=r"has 102400 characters. Shorten it to 20000"):
        markdown.validate("x" * 102_400)


def test_a_character_that_cannot_be_shown_is_named() -> None:
    with pytest.raises(ValidationError, match=r"U\+0007 at position 3"):
        markdown.validate("ab\x07")


def test_plain_text_has_the_words_alone() -> None:
    assert (
        markdown.plain("**Cards** & <payments>\n\n- [one](https://x.example)\n- two")
        == "Cards & <payments>\n\none\ntwo"
    )
