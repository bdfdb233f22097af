"""Causes in the reader's language."""

from typing import Any

import pytest
from django.utils import translation

from monitoring.probes.failures import connect_words
from monitoring.probes.model import Phases
from monitoring.probes.net.timeline import longest
from monitoring.words.causes import in_words, without_places


@pytest.mark.parametrize(
    ("said", "korean"),
    [
        ("answered 502 Bad Gateway", "502 Bad Gateway로 응답했습니다"),
        ("answered 200 OK, not 404", "200 OK로 응답했습니다. 404이어야 합니다"),
        ("TLS certificate expired 3 days ago", "TLS 인증서가 만료되었습니다(3 days 전)"),
        (connect_words(ConnectionRefusedError(111, ""), "10.0.0.5:443"), "10.0.0.5:443이(가) 연결을 거부했습니다"),
        (
            "took 860 ms, more than 800 ms" + longest(Phases(dns_ms=800.0, total_ms=860.0)),
            "860 ms 걸려 800 ms를 넘었습니다(이름 조회에 800 ms)",
        ),
        (
            "took 860 ms, more than 800 ms; forgiven: lines that end in LF alone; new remark",
            "860 ms 걸려 800 ms를 넘었습니다; 허용함: LF만으로 끝나는 줄; new remark",
        ),
        (
            'forgiven: Content-Encoding "utf-8", which packs nothing',
            '허용함: 아무것도 압축하지 않는 Content-Encoding "utf-8"',
        ),
        (
            "192.0.2.1: forgiven: lines that end in LF alone; 2001:db8::1: new remark",
            "192.0.2.1: 허용함: LF만으로 끝나는 줄; 2001:db8::1: new remark",
        ),
        ("192.0.2.1: forgiven: lines that end in LF alone", "192.0.2.1: 허용함: LF만으로 끝나는 줄"),
        ("something that a later version says", "something that a later version says"),
        (None, ""),
    ],
)
def test_a_cause_is_said_in_korean_where_its_form_is_known(said: Any, korean: Any) -> None:
    with translation.override("ko"):
        assert in_words(said) == korean


@pytest.mark.parametrize("phase", ["dns_ms", "connect_ms", "tls_ms", "first_byte_ms", None])
def test_every_phase_that_makes_a_check_slow_is_said_in_korean(phase: str | None) -> None:
    phases = Phases(total_ms=860.0, **({phase: 800.0} if phase else {}))

    with translation.override("ko"):
        assert "of which" not in in_words("took 860 ms, more than 800 ms" + longest(phases))


def test_english_stays_as_it_is_stored() -> None:
    assert in_words("answered 502 Bad Gateway") == "answered 502 Bad Gateway"


def test_the_same_cause_at_two_addresses_has_one_text() -> None:
    refused = {without_places(f"connection refused by 10.0.0.{number}:443") for number in (1, 2)}

    assert refused == {"connection refused by …"}


def test_a_status_tells_causes_apart() -> None:
    assert without_places("answered 503 Service Unavailable") == "answered 503 Service Unavailable"
    assert without_places("something new about 10.0.0.1") == "something new about 10.0.0.1"
