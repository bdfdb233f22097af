"""The JSON that the API reads: strictly, and at a cost that grows with its length only."""

import json
from typing import Any

import pytest
from django.test import RequestFactory

from observability.errors import ApiError
from slamonitor.api import StrictParser, _once


class Key(str):
    """A key that counts how often it is compared."""

    compared = 0
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        Key.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_a_doubled_last_key_among_very_many_is_found_in_one_pass() -> None:
    names = [f"key{number}" for number in range(10_000)]
    Key.compared = 0

    with pytest.raises(ValueError, match="'key9999' is listed twice"):
        _once([(Key(name), 0) for name in [*names, names[-1]]])
    assert Key.compared < 50_000


def read(body: bytes) -> Any:
    request = RequestFactory().generic("POST", "/", body, content_type="application/json")
    return StrictParser().parse_body(request)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": [{"c": 1, "c": 2}]}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 100_000,
        b"[NaN]",
        b"-Infinity",
        b'"\xff"',
        b"\xff\xfe[\x00]\x00x",
        b"{} {}",
    ],
)
def test_json_that_is_wrong_costly_or_ambiguous_is_the_callers_mistake(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        read(body)
    assert refused.value.status == 400
    assert len(refused.value.message) < 300


def test_json_in_any_encoding_of_unicode_is_read() -> None:
    for encoding in ("utf-8", "utf-16", "utf-32"):
        assert read(json.dumps({"가": [1, None]}, ensure_ascii=False).encode(encoding)) == {"가": [1, None]}
