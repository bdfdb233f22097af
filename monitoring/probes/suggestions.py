"""Texts for messages: a value as it was entered, and similar known words."""

import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

SHOWN_LENGTH = 60


def shown(value: Any) -> str:
    """Return a value on one line, quoted if it is text, and shortened if it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 1]}…"


def near(word: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known words most similar to `word`, the most similar first."""
    known = sorted(known)
    close = get_close_matches(word, known, n=count, cutoff=0.6)
    # `url` for `endpoint_url`: too different in length for the ratio.
    contains = [each for each in known if len(word) > 2 and (word in each or each in word)]
    return list(dict.fromkeys([*close, *contains]))[:count]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `Did you mean a or b? `, or an empty text if no known word is similar."""
    found = near(word, known)
    return f"Did you mean {' or '.join(found)}? " if found else ""
