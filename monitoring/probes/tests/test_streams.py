"""Bodies that are not read, and where redirects must end."""

from typing import Any

import pytest

from monitoring.probes import KINDS, probe
from monitoring.probes.http.http_settings import HttpSettings
from monitoring.probes.model import ErrorType, Verdict
from monitoring.probes.net.names import parse_url
from monitoring.probes.tests.conftest import Run, make_spec
from monitoring.probes.tests.targets import OK, redirects, says, says_and_hangs, serving
from monitoring.probes.tools import Tools

HEAD = b"HTTP/1.1 200 OK\r\n"
EVENTS = HEAD + b"Content-Type: Text/Event-Stream; charset=utf-8\r\n\r\ndata: 1\n\n"


@pytest.mark.parametrize(
    ("answer", "settings", "verdict", "words"),
    [
        (EVENTS, {}, Verdict.OK, "body not read: text/event-stream has no end"),
        (HEAD + b"Content-Type: multipart/x-mixed-replace;boundary=b\r\n\r\n--b", {}, Verdict.OK, "body not read: "),
        (HEAD + b"Content-Type: audio/mpeg\r\n\r\nx", {"response_body": "ignore"}, Verdict.OK, None),
        (HEAD + b"Content-Type: audio/mpeg\r\n\r\nx", {"body": "ignore"}, Verdict.OK, None),
        (HEAD + b"Content-Type: audio/mpeg\r\n\r\nx", {"body": "ignore", "method": "POST"}, Verdict.BAD, "no complete"),
        (HEAD + b"Content-Length: 99\r\n\r\nx", {"response_body": "ignore"}, Verdict.OK, None),
        (HEAD + b"Content-Type: audio/mpeg\r\n\r\nx", {}, Verdict.BAD, "no complete answer within"),
        (
            EVENTS.replace(b"\r\n\r\n", b"\r\nContent-Type: text/html\r\n\r\n"),
            {},
            Verdict.BAD,
            "no complete answer within",
        ),
        (HEAD + b"Content-Type: text/html\r\n" + EVENTS.removeprefix(HEAD), {}, Verdict.OK, "body not read: "),
        (EVENTS, {"keyword_present": "data"}, Verdict.BAD, "no complete answer within"),
        (EVENTS.replace(b"200 OK", b"503 No"), {}, Verdict.BAD, "answered 503 Service Unavailable"),
        (EVENTS.replace(b"200 OK", b"503 No"), {"response_body": "ignore"}, Verdict.BAD, "answered 503"),
    ],
)
def test_stream_is_judged_by_its_head(
    run: Run, tools: Tools, answer: bytes, settings: Any, verdict: Verdict, words: str | None
) -> None:
    async def scenario() -> None:
        async with serving(says_and_hangs(answer)) as target:
            timeout_ms = 300 if verdict is Verdict.BAD else 30_000
            result = await probe(make_spec(target.url(), timeout_ms=timeout_ms, settings=settings), tools)

        assert result.verdict is verdict, result.error_message
        assert (result.error_message or "").startswith(words or "")
        assert words or result.error_message is None

    run(scenario())


def test_body_of_a_redirect_is_not_waited_for(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(says(OK)) as end:
            head = b"HTTP/1.1 302 Go\r\nLocation: %b\r\nContent-Encoding: br\r\nContent-Length: 9\r\n\r\nx"
            async with serving(says_and_hangs(head % end.url().encode())) as start:
                settings = {"keyword_present": "ok"}
                result = await probe(make_spec(start.url(), timeout_ms=30_000, settings=settings), tools)

        assert (result.verdict, result.error_message) == (Verdict.OK, None)

    run(scenario())


def test_remarks_of_all_hops_are_told_once(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        last = OK.replace(b"Content-Length: 2", b"Content-Length : 2")
        async with serving(says(last)) as end:
            first = b"HTTP/1.1 302 Go\nLocation: %b \\\r\nX : y\r\n\r\n"
            async with serving(says(first % end.url("/a").encode())) as start:
                result = await probe(make_spec(start.url()), tools)

        blank = "forgiven: a blank before the colon of a header"
        assert result.verdict is Verdict.OK
        assert result.error_message == (
            f"forgiven: lines that end in LF alone; {blank}; forgiven: a backslash in the Location header"
        )

    run(scenario())


@pytest.mark.parametrize(
    ("final_url", "is_met"),
    [
        ({"host": "127.0.0.1"}, True),
        ({"host": ["www.example.com", "127.0.0.1"]}, True),
        ({"host": "www.example.com"}, False),
        ({"prefix": "HTTP://127.0.0.1:{port}"}, True),
        ({"prefix": "http://127.0.0.1:{port}/st"}, True),
        ({"prefix": "http://127.0.0.1:{port}/app/"}, False),
        ({"prefix": "http://127.0.0.1/"}, False),
        ({"prefix": "https://127.0.0.1:{port}/"}, False),
        ({"equals": "http://127.0.0.1:{port}/status?a=b"}, True),
        ({"equals": "http://127.0.0.1:{port}/status?a=b#top"}, True),
        ({"equals": "http://127.0.0.1:{port}/status"}, False),
        ({"equals": ["http://127.0.0.1:{port}/", "http://127.0.0.1:{port}/status?a=b"]}, True),
    ],
)
def test_redirects_must_end_where_expected(run: Run, tools: Tools, final_url: dict[str, Any], is_met: bool) -> None:
    async def scenario() -> None:
        async with serving(redirects({"/": "/status?a=b#now"})) as target:
            written = {
                how: [
                    each.replace("{port}", str(target.port))
                    for each in ([wanted] if isinstance(wanted, str) else wanted)
                ]
                for how, wanted in final_url.items()
            }
            result = await probe(make_spec(target.url(), settings={"final_url": written}), tools)

        if is_met:
            assert (result.verdict, result.error_message) == (Verdict.OK, None)
        else:
            assert result.error_type is ErrorType.HTTP
            assert str(result.error_message).startswith(f"ended at {target.url('/status')}, not at ")

    run(scenario())


@pytest.mark.parametrize(
    "final_url", [{"host": "☕.Example"}, {"prefix": "http://☕.example/"}, {"equals": "http://xn--53h.example/"}]
)
def test_hosts_of_final_urls_are_read_as_those_of_redirects(final_url: dict[str, str]) -> None:
    settings, problems = KINDS["http"].read({"final_url": final_url})

    assert isinstance(settings, HttpSettings) and settings.final_url is not None, problems
    assert settings.final_url.is_met(parse_url("http://☕.example/"))


@pytest.mark.parametrize(
    ("settings", "key", "words"),
    [
        (
            {"final_url": "https://a.example/"},
            "final_url",
            "Enter {host: www.example.com}, {prefix: URL} or {equals: URL}.",
        ),
        ({"final_url": {"suffix": "x"}}, "final_url", "Enter {host: www.example.com}"),
        ({"final_url": {"host": "a", "prefix": "b"}}, "final_url", "Enter {host: www.example.com}"),
        ({"final_url": {"host": "https://a.example"}}, "final_url.host", "Enter a value like www.example.com."),
        ({"final_url": {"host": "a.example:80"}}, "final_url.host", "Enter a value like www.example.com."),
        ({"final_url": {"host": "*.example.com"}}, "final_url.host", "Enter a value like www.example.com."),
        ({"final_url": {"host": ""}}, "final_url.host", "Enter a value like www.example.com."),
        ({"final_url": {"host": []}}, "final_url.host", "it is empty. Enter a value, or remove the line."),
        (
            {"final_url": {"equals": "www.example.com"}},
            "final_url.equals",
            "Enter a value like https://www.example.com/.",
        ),
        (
            {"final_url": {"prefix": "ftp://a.example"}},
            "final_url.prefix",
            "Enter a value like https://www.example.com/.",
        ),
        ({"final_url": {"prefix": 7}}, "final_url.prefix", "is not text. Put it in quotes."),
        ({"final_url": {"host": "a"}, "follow_redirects": False}, "final_url", "or set follow_redirects: true."),
        ({"cookies": "no"}, "cookies", "is neither true nor false."),
        ({"response_body": "skip"}, "response_body", "Use one of read, ignore."),
        ({"response_body": "ignore", "keyword_present": "a"}, "response_body", "Remove response_body: ignore."),
        ({"body": "ignore", "keyword_present": "a"}, "body", "Remove body: ignore."),
        ({"body": "ignored"}, "body", "a GET request has no body."),
    ],
)
def test_wrong_setting_is_named_with_its_remedy(settings: dict[str, Any], key: str, words: str) -> None:
    _, problems = KINDS["http"].read(settings)

    assert [problem.key for problem in problems] == [key]
    assert words in str(problems[0])
