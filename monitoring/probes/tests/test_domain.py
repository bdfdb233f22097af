"""The registration of a domain, as a registry tells it by RDAP. The registry is a real server here."""

import asyncio
import contextlib
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.probes import probe
from monitoring.probes.domain_memory import DAY_MS, HOUR_MS, DomainMemory
from monitoring.probes.failures import NoNameServer, NotAllowed, NotKnown
from monitoring.probes.http.answer import Reply
from monitoring.probes.kinds.domain import read_answer
from monitoring.probes.model import ErrorType, ProbeResult, Verdict
from monitoring.probes.net.address import AddressPolicy
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.tests.conftest import Run, make_spec, why
from monitoring.probes.tests.names import naming
from monitoring.probes.tests.targets import Script, Target, says, says_and_hangs, serving
from monitoring.probes.tools import Tools

NOW_MS = 1_800_000_000_000  # 2027-01-15
URL = httpx.URL("https://rdap.example/domain/example.com")
EXPIRES = "2027-02-14T08:01:00Z"  # 30 days and a minute later


def answer(document: Any, status: int = 200, reason: str = "OK") -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return b"HTTP/1.1 %d %s\r\nContent-Type: application/rdap+json\r\nContent-Length: %d\r\n\r\n%s" % (
        status, reason.encode(), len(body), body,
    )  # fmt: skip


def registered(*dates: str, status: tuple[str, ...] = ("active",), action: str = "expiration") -> bytes:
    events = [{"eventAction": "registration", "eventDate": "2001-01-01T00:00:00Z"}]
    events += [{"eventAction": action, "eventDate": date} for date in dates]
    return answer({"objectClassName": "domain", "ldhName": "example.com", "events": events, "status": list(status)})


async def ask(target: Target, tools: Tools, at_ms: int = NOW_MS, **settings: Any) -> ProbeResult:
    settings = {"rdap_server": target.url()} | settings
    spec = make_spec("domain://Example.com", kind="domain", settings=settings, due_at_ms=at_ms)
    return await probe(spec, tools)


@pytest.fixture
def fresh(tools: Tools) -> Tools:
    """Return tools that remember nothing."""
    return replace(tools, domains=DomainMemory())


def asked_once(run: Run, tools: Tools, script: Script, **settings: Any) -> ProbeResult:
    async def scenario() -> ProbeResult:
        async with serving(script) as target:
            result = await ask(target, tools, **settings)
            assert target.requests[0].startswith(b"GET /domain/example.com HTTP/1.1\r\n")
            assert b"Accept: application/rdap+json" in target.requests[0]
            return result

    return run(scenario())


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ({}, Verdict.OK),
        ({"warn_days": 31}, Verdict.SLOW),
        ({"warn_days": 0}, Verdict.OK),
        ({"warn_days": 60, "critical_days": 31}, Verdict.BAD),
        ({"warn_days": 60, "critical_days": 30}, Verdict.SLOW),
    ],
)
def test_expiry_in_sight(run: Run, fresh: Tools, settings: dict[str, Any], verdict: Verdict) -> None:
    result = asked_once(run, fresh, says(registered(EXPIRES)), **settings)

    words = "domain example.com expires in 30 days, on 2027-02-14"
    assert (result.verdict, result.error_message) == (verdict, None if verdict is Verdict.OK else words)
    assert result.error_type is (ErrorType.DNS if verdict is Verdict.BAD else None)
    assert result.requests == ()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (registered("2027-01-12T07:00:00Z"), "domain example.com expired 3 days ago, on 2027-01-12"),
        (registered("2027-01-12T07:00:00"), "domain example.com expired 3 days ago, on 2027-01-12"),
        (registered("2027-01-12T16:00:00.5+09:00"), "domain example.com expired 3 days ago, on 2027-01-12"),
        (registered("2027-01-12t07:00:00z"), "domain example.com expired 3 days ago, on 2027-01-12"),
        (registered("0001-01-01T00:00:00+12:00"), "domain example.com expired 20833 days ago, on 1970-01-01"),
        (answer({"errorCode": 404}, 404, "Not Found"), "domain example.com is not registered"),
        (answer(b"", 404, "Not Found"), "domain example.com is not registered"),
        (
            registered(EXPIRES, status=("active", "redemption period")),
            "domain example.com is about to be deleted by the registry (redemption period)",
        ),
        (
            registered(status=("Pending Delete",)),
            "domain example.com is about to be deleted by the registry (pending delete)",
        ),
    ],
)
def test_domain_that_is_lost(run: Run, fresh: Tools, said: bytes, words: str) -> None:
    assert why(asked_once(run, fresh, says(said))) == (ErrorType.DNS, words)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (answer({}, 429, "Too Many Requests"), "it answered 429"),
        (answer({}, 503, "Service Unavailable"), "it answered 503"),
        (answer(b"<html>"), "its answer is not JSON"),
        (answer(b"[" * 50_000), "its answer is not JSON"),
        (answer([1]), "its answer is not about a domain"),
        (answer({"objectClassName": "domain", "events": {"a": 1}, "status": 7}), "it does not say when domains expire"),
        (registered("soon"), "it does not say when domains expire"),
        (registered(EXPIRES, action="registrar expiration"), "it does not say when domains expire"),
        (
            answer(b"<html>nginx", 404, "Not Found").replace(b"application/rdap+json", b"text/html; charset=utf-8"),
            "it answered 404 with a web page",
        ),
        (b"", "closed the connection while waiting for the answer"),
    ],
)
def test_registry_that_cannot_be_asked_is_no_verdict(run: Run, fresh: Tools, said: bytes, words: str) -> None:
    with pytest.raises(NotKnown, match=f"RDAP server 127.0.0.1 could not be asked: .*{words}"):
        asked_once(run, fresh, says(said))


def test_registry_that_hangs_or_is_gone_is_no_verdict(run: Run, fresh: Tools, closed_port: int) -> None:
    async def scenario() -> None:
        async with serving(says_and_hangs(b"")) as target:
            settings = {"rdap_server": target.url()}
            spec = make_spec("domain://example.com", kind="domain", settings=settings, timeout_ms=300)
            with pytest.raises(NotKnown, match="it did not answer in time"):
                await probe(spec, fresh)
        gone = {"rdap_server": f"http://127.0.0.1:{closed_port}/"}
        with pytest.raises(NotKnown, match="connection refused"):
            await probe(make_spec("domain://example.com", kind="domain", settings=gone), fresh)

    run(scenario())


def test_a_fault_of_our_own_dns_servers_is_not_remembered(run: Run, fresh: Tools) -> None:
    async def scenario() -> ProbeResult:
        async with naming({("rdap.test", "A"): ["127.0.0.1"]}) as names, serving(says(registered(EXPIRES))) as target:
            settings = {"rdap_server": f"http://rdap.test:{target.port}/"}
            spec = make_spec("domain://example.com", kind="domain", settings=settings, due_at_ms=NOW_MS)
            with pytest.raises(NoNameServer, match="no DNS server is configured"):
                await probe(spec, replace(fresh, resolver=Resolver([])))
            return await probe(spec, replace(fresh, resolver=Resolver([names.address])))

    assert run(scenario()).verdict is not Verdict.BAD


def test_domain_that_never_expires_is_ok(run: Run, fresh: Tools) -> None:
    assert asked_once(run, fresh, says(registered("9999-12-31T23:59:59-14:00"))).verdict is Verdict.OK


def test_registry_is_asked_once_a_day(run: Run, fresh: Tools) -> None:
    async def scenario() -> None:
        async with serving(says(registered(EXPIRES))) as target:
            for at_ms in (NOW_MS, NOW_MS + 60_000, NOW_MS + DAY_MS - 30_000):
                assert (await ask(target, fresh, at_ms)).verdict in (Verdict.OK, Verdict.SLOW)
            assert len(target.requests) == 1
            late = await ask(target, fresh, NOW_MS + DAY_MS)
            assert len(target.requests) == 2

        assert late.error_message == "domain example.com expires in 29 days, on 2027-02-14"

    run(scenario())


def test_silent_registry_is_asked_again_after_an_hour(run: Run, fresh: Tools) -> None:
    async def scenario() -> None:
        answers = [answer({}, 503, "No"), registered(EXPIRES)]

        async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(answers.pop(0))

        async with serving(script) as target:
            for at_ms in (NOW_MS, NOW_MS + HOUR_MS - 30_000):
                with pytest.raises(NotKnown, match="503"):
                    await ask(target, fresh, at_ms)
            assert (await ask(target, fresh, NOW_MS + HOUR_MS)).verdict is Verdict.SLOW
            assert len(target.requests) == 2

    run(scenario())


def test_redirect_to_the_registry_is_followed(run: Run, fresh: Tools) -> None:
    async def scenario() -> None:
        async with serving(says(registered(EXPIRES))) as registry:
            there = registry.url("/com/v1/domain/example.com").encode()
            going = says(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % there)
            async with serving(going) as bootstrap:
                assert (await ask(bootstrap, fresh, warn_days=0)).verdict is Verdict.OK
            assert registry.requests[0].startswith(b"GET /com/v1/domain/example.com ")

    run(scenario())


def test_not_found_of_the_redirector_is_not_that_of_the_registry() -> None:
    missing = Reply(URL, 404, [], b"{}")

    assert read_answer(missing, NOW_MS).expires_at_s is None
    with pytest.raises(ValueError, match="no RDAP server of this registry"):
        read_answer(missing, NOW_MS, may_be_unknown=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["eventAction", "eventDate", "a"]), inner),
    max_leaves=8,
)


@given(
    events=JSON | st.lists(st.fixed_dictionaries({"eventAction": st.just("expiration"), "eventDate": JSON})),
    status=JSON,
)
def test_any_answer_is_read_or_refused_in_words(events: Any, status: Any) -> None:
    content = json.dumps({"objectClassName": "domain", "events": events, "status": status}).encode()

    with contextlib.suppress(ValueError):
        assert read_answer(Reply(URL, 200, [], content), NOW_MS).expires_at_s is not None


def test_rdap_server_at_a_refused_address_is_a_mistake_of_ours(run: Run, tools: Tools) -> None:
    strict = replace(tools, policy=AddressPolicy(allow_private=False), domains=DomainMemory())
    spec = make_spec("domain://example.com", kind="domain", settings={"rdap_server": "http://127.0.0.1:9/"})

    with pytest.raises(NotAllowed, match=r"RDAP server 127\.0\.0\.1: refused to connect"):
        run(probe(spec, strict))
