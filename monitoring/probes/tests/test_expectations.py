"""The expectations of an HTTP answer."""

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from monitoring.probes import probe
from monitoring.probes.model import ErrorType, ProbeResult, Verdict
from monitoring.probes.secrets import Place
from monitoring.probes.tests.conftest import Run, make_spec, why
from monitoring.probes.tests.targets import drips, redirects, says, serving
from monitoring.probes.tools import Tools

UTF_16 = "Zustand: gr\u00fcn \uc815\uc0c1".encode("utf-16")


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def ask(data: bytes, tools: Tools, **settings: Any) -> ProbeResult:
    async with serving(says(data)) as target:
        return await probe(make_spec(target.url(), settings=settings), tools)


@pytest.mark.parametrize(
    ("status", "settings", "words"),
    [
        ("404 Not Found", {"expected_status": 404}, None),
        ("204 No Content", {"expected_status": ["200-204"]}, None),
        ("418 I'm a teapot", {"expected_status": ["2xx", "4xx"]}, None),
        ("200 OK", {"expected_status": [201, "4xx", "500-503"]}, "answered 200 OK, not 201 or 4xx or 500–503"),
        ("302 Found", {"follow_redirects": False}, "answered 302 Found; redirects are not followed"),
        ("302 Found", {"follow_redirects": False, "expected_status": 302}, None),
    ],
)
def test_status_is_compared(run: Run, tools: Tools, status: str, settings: dict[str, Any], words: str | None) -> None:
    result = run(ask(answer(b"", "Location: /x", status=status), tools, **settings))

    assert why(result) == ((ErrorType.HTTP, words) if words else (None, None))


@pytest.mark.parametrize(
    ("body", "header"),
    [
        ("gr\u00fcn \uc815\uc0c1".encode(), "Content-Type: text/plain"),
        ("gr\u00fcn \uc815\uc0c1".encode("utf-8-sig"), "Content-Type: text/plain; charset=latin-1"),
        (UTF_16, "Content-Type: text/plain; charset=utf-16"),
        (UTF_16, "Content-Type: text/plain"),
        (UTF_16[2:], "Content-Type: text/plain; charset=UTF-16LE"),
        (UTF_16[2:], "Content-Type: text/plain; charset=utf-16"),
        (("gr\u00fcn" + "x" * 200_000).encode("utf-16") + b"\x00\xd8", "X: 1"),  # and then half a character
        ("gr\u00fcn".encode("latin-1"), "Content-Type: text/plain; charset=ISO-8859-1"),
        ("gr\u00fcn".encode("cp1252"), 'Content-Type: text/plain; charset="windows-1252"'),
        (b"\xff\xfa gr\xc3\xbcn \x00\xff", "Content-Type: text/plain; charset=nonsense"),
        (b"gr\xc3\xbcn", "Content-Type: text/plain; charset=idna"),  # Python has it, and takes ages for it
        (gzip.compress("gr\u00fcn".encode(), mtime=0), "Content-Encoding: gzip"),
    ],
)
def test_keyword_is_found_in_any_charset(run: Run, tools: Tools, body: bytes, header: str) -> None:
    result = run(ask(answer(body, header), tools, keyword_present="gr\u00fcn", keyword_absent=["rot", "\ufeff"]))

    assert result.verdict is Verdict.OK, result.error_message
    assert result.error_message is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"keyword_present": ["all", "missing\n"]}, 'keyword "missing?" is not in the body (21 bytes)'),
        ({"keyword_absent": "well"}, 'keyword "well" is in the body, where it must not be'),
        ({"json_equals": {"path": "$.a", "value": 1}}, "body is not JSON: Expecting value in line 1, column 1"),
        ({"keyword_present": "All"}, 'keyword "All" is not in the body (21 bytes)'),
    ],
)
def test_keyword_that_is_not_as_expected(run: Run, tools: Tools, settings: dict[str, Any], words: str) -> None:
    result = run(ask(answer(b"all is well, no faults"[:21]), tools, **settings))

    assert why(result) == (ErrorType.HTTP, words)
    assert (result.status_code, result.requests[0].error_message) == (200, words)


def test_a_body_that_was_cut_is_said_so(run: Run, tools: Tools) -> None:
    data = answer(b"x" * 2_000_000 + b"late")

    missing = run(ask(data, tools, keyword_present="late"))
    absent = run(ask(data, tools, keyword_absent="late"))
    bomb = run(ask(answer(gzip.compress(bytes(3_000_000)), "Content-Encoding: gzip"), tools, keyword_present="late"))
    document = run(ask(data, tools, json_equals={"path": "$", "value": 1}))

    is_all = "the first 1 MiB of the body, which is all that is read"
    assert why(missing) == why(bomb) == (ErrorType.HTTP, f'keyword "late" is not in {is_all}')
    assert (absent.verdict, *why(absent)) == (Verdict.OK, None, f"looked for what must be absent in {is_all}")
    words = "body is too long to be read as JSON: more than 1 MiB of the body, which is all that is read"
    assert why(document) == (ErrorType.HTTP, words)


DOCUMENT = {
    "status": "ok",
    "checks": [{"name": "db", "is up": True, "count": 1}],
    "parts": [{"name": "web", "up": True}, {"name": "db", "up": False}],
    "none": None,
    "long": "x" * 99,
}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("$.status", "ok", None),
        ("$.checks[0].count", 1.0, None),
        ("$.checks[-1]['is up']", True, None),
        ("$.none", None, None),
        ("$.status", "down", 'JSON has "ok" at $.status, not "down"'),
        ("$.checks[0].count", True, "JSON has 1 at $.checks[0].count, not true"),
        ("$.checks", "x", 'JSON has a list at $.checks, not "x"'),
        ("$.long", "x", 'JSON has "' + "x" * 58 + '… at $.long, not "x"'),
        ("$.missing", "x", 'JSON has no $.missing: $ is an object without a member "missing"'),
        ("$.checks[1]", "x", "JSON has no $.checks[1]: $.checks is a list without an item [1]"),
        ("$.status.text", "x", "JSON has no $.status.text: $.status is text"),
        ("$.none[0]", "x", "JSON has no $.none[0]: $.none is null"),
        ("$.parts[*].up", True, "JSON has false at $.parts[1].up, not true"),
        ("$.parts[?@.name == 'web'].up", True, None),
        ("$.parts[?@.name == 'db'].up", True, "JSON has false at $.parts[?@.name == 'db'].up, not true"),
        ("$.parts[?@.name == 'x'].up", True, "JSON has no $.parts[?@.name == 'x'].up: nothing in $.parts fits "
         "[?@['name'] == 'x']"),
    ],
)  # fmt: skip
def test_json_is_compared(run: Run, tools: Tools, path: str, value: Any, words: str | None) -> None:
    data = answer(json.dumps(DOCUMENT).encode(), "Content-Type: application/json")

    result = run(ask(data, tools, json_equals={"path": path, "value": value}))

    assert why(result) == ((ErrorType.HTTP, words) if words else (None, None))


def test_json_that_is_too_large_for_a_path_is_named(run: Run, tools: Tools) -> None:
    settings = {"json_equals": {"path": "$..status", "value": "ok"}}

    result = run(ask(answer(json.dumps([[{}] * 300] * 300).encode()), tools, **settings))

    words = "JSON is too large for $..status: the path matches too many values."
    assert why(result)[0] is ErrorType.HTTP and str(result.error_message).startswith(words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[" * 100_000, "body is not JSON: it is nested too deeply"),
        (b"[" + b"9" * 10_000 + b"]", "body is not JSON: it has a number of thousands of digits"),
        (b"{'a': 1}", "body is not JSON: Expecting property name enclosed in double quotes in line 1, column 2"),
        (b"", "body is not JSON: Expecting value in line 1, column 1"),
    ],
)
def test_hostile_json_is_named(run: Run, tools: Tools, body: bytes, words: str) -> None:
    result = run(ask(answer(body), tools, json_equals={"path": "$.a", "value": 1}))

    assert why(result) == (ErrorType.HTTP, words)


def test_good_but_late_answer_is_slow_and_says_where_the_time_went(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(drips(answer(b"ok"), 0.002)) as target:
            slow = await probe(make_spec(target.url(), settings={"degraded_over_ms": 50}), tools)
            fine = await probe(make_spec(target.url(), settings={"degraded_over_ms": 5_000}), tools)

        assert (slow.verdict, slow.error_type) == (Verdict.SLOW, None)
        words = str(slow.error_message)
        assert words.startswith("took ") and " ms, more than 50 ms, of which " in words
        assert words.endswith(" for the body and redirects")
        assert slow.requests[0].error_message is None
        assert (fine.verdict, fine.error_message) == (Verdict.OK, None)

    run(scenario())


def test_method_body_and_headers_are_sent(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        settings = {
            "method": "PUT",
            "body": '{"gr\u00fc\u00df": 1}',
            "headers": {"Content-Type": "application/json", "Host": "other.example"},
        }
        bodies = []

        async def script(head: bytes, writer: Any) -> None:
            writer.write(answer(b""))
            bodies.append(head)

        async with serving(script) as target:
            result = await probe(make_spec(target.url(), settings=settings), tools)
            assert result.verdict is Verdict.OK, result.error_message
            lines = target.requests[0].decode().split("\r\n")

        assert lines[0] == "PUT / HTTP/1.1"
        assert "Content-Length: 13" in lines and "Content-Type: application/json" in lines
        assert "Host: other.example" in lines and sum(line.lower().startswith("host:") for line in lines) == 1

    run(scenario())


def test_body_does_not_follow_to_another_origin(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(says(answer(b""))) as other, serving(redirects({"/": other.url("/x?y")}, 307)) as home:
            settings = {"method": "POST", "body": "private"}
            result = await probe(make_spec(home.url(), settings=settings), tools)

        words = f"redirected to another origin, where our body does not go: http://127.0.0.1:{other.port}/x"
        assert why(result) == (ErrorType.HTTP, words)
        assert other.requests == []

    run(scenario())


def test_secret_is_opened_for_the_request_and_seen_nowhere_else(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        secret = "s3cr3t/+key"
        routes = {"/": f"/echo?{secret}"}
        opening = replace(tools, unseal=lambda sealed, place: {"SEALED": f"Bearer {secret}"}[sealed])
        settings = {
            "headers": {"Authorization": {"secret": "SEALED"}},
            "json_equals": {"path": "$.auth", "value": "x"},
        }
        async with serving(redirects(routes)) as target:
            redirected = await probe(make_spec(target.url(), settings=settings), opening)
        async with serving(says(answer(json.dumps({"auth": "x" * 52 + secret}).encode()))) as target:
            cut = await probe(make_spec(target.url(), settings=settings), opening)
        async with serving(says(answer(json.dumps({"auth": f"Bearer {secret}"}).encode()))) as target:
            spec = make_spec(target.url(), settings=settings)
            echoed = await probe(spec, opening)
            assert f"Authorization: Bearer {secret}\r\n".encode() in target.requests[0]

        assert redirected.requests[1].url.endswith("/echo?•••")
        assert why(echoed) == (ErrorType.HTTP, 'JSON has "•••" at $.auth, not "x"')
        assert why(cut) == (ErrorType.HTTP, 'JSON has "' + "x" * 52 + '•••… at $.auth, not "x"')
        assert "s3cr3t" not in f"{redirected}{echoed}{spec}"

    run(scenario())


def test_secret_that_cannot_be_opened_is_ours(run: Run, tools: Tools) -> None:
    def unseal(sealed: str, place: Place) -> str:
        raise LookupError("no such key")

    spec = make_spec("http://127.0.0.1:9/", settings={"headers": {"X": {"secret": "S"}}})

    with pytest.raises(LookupError):
        run(probe(spec, replace(tools, unseal=unseal)))
