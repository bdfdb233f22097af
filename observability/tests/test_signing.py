"""Signatures of messages, and their verification."""

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.exceptions import DecodeError
from kombu.serialization import dumps, loads
from pytest_django import Settings

from observability import signing

ABOUT = {"task": "monitoring.record", "id": "1", "eta": None, "expires": "2025-03-10T00:00:00+00:00"}
KEY, OLDER = "a-key-for-secrets-that-is-long-enough", "an-older-key-that-is-long-enough-too"


def signed(content: Any, headers: dict[str, Any] = ABOUT) -> str:
    body: Any = ((content,), {}, {"callbacks": None})
    signing._cover_headers(headers=headers, body=body)
    content_type, _encoding, text = dumps(body, serializer=signing.NAME)  # type: ignore[no-untyped-call]
    assert content_type == signing.CONTENT_TYPE
    return str(text)


def opened(text: str | bytes, headers: dict[str, Any] = ABOUT) -> Any:
    return json.loads(signing.verified(text, signing.CONTENT_TYPE, headers))


def test_a_message_is_opened_as_it_was_signed() -> None:
    assert opened(signed({"größe": [1.5, None]})) == [[{"größe": [1.5, None]}], {}, {"callbacks": None}]


@hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
@given(st.data())
def test_any_changed_byte_is_noticed(data: Any) -> None:
    raw = bytearray(signed(["payments", 1]).encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(signing.Forged):
        opened(bytes(raw))


@pytest.mark.parametrize("name", signing.COVERED)
def test_it_is_good_for_its_own_task_and_time_only(name: Any) -> None:
    text = signed([])

    with pytest.raises(signing.Forged, match="altered"):
        opened(text, {**ABOUT, name: "another"})


@pytest.mark.parametrize("body", ["", "[]", b"\xff" * 100, "x" * 43, "é" * 60])
def test_what_is_no_signed_body_is_refused(body: Any) -> None:
    with pytest.raises(signing.Forged):
        opened(body)


def test_plain_json_is_refused() -> None:
    with pytest.raises(signing.Forged, match="not signed"):
        signing.verified("[[], {}, {}]", "application/json", ABOUT)


def test_nothing_but_the_door_opens_a_body() -> None:
    with pytest.raises(DecodeError, match="not verified"):
        loads(signed([]), signing.CONTENT_TYPE, "utf-8", accept={signing.CONTENT_TYPE})  # type: ignore[no-untyped-call]


def test_the_first_key_signs_and_older_ones_verify(settings: Settings) -> None:
    settings.SECRETS_KEYS = [OLDER]
    before = signed([])

    settings.SECRETS_KEYS = [KEY, OLDER]
    assert opened(before) and opened(signed([]))

    settings.SECRETS_KEYS = [KEY]
    with pytest.raises(signing.Forged, match="SECRETS_KEY"):
        opened(before)


def test_each_purpose_has_a_key_of_its_own() -> None:
    assert signing.derived(KEY, b"one") != signing.derived(KEY, b"another")
