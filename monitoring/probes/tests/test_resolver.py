import asyncio
import time

import pytest

from monitoring.probes import probe
from monitoring.probes.failures import NoNameServer, ResolutionFailed
from monitoring.probes.model import ErrorType, ProbeResult, Verdict
from monitoring.probes.net import dns_client
from monitoring.probes.net.hosts import parse_hosts
from monitoring.probes.net.resolver import Resolver, parse_nameserver
from monitoring.probes.tests.conftest import IN_TIME_S, Run, make_spec, until, why
from monitoring.probes.tests.names import SERVFAIL, SILENT, TRUNCATED, naming
from monitoring.probes.tests.targets import OK, says, serving
from monitoring.probes.tools import Tools

A, AAAA = "A", "AAAA"


def test_both_families_are_asked_for(run: Run) -> None:
    async def scenario() -> None:
        async with naming({("api.test", A): ["10.0.0.1", "10.0.0.2"], ("api.test", AAAA): ["fd00::1"]}) as names:
            found = await Resolver([names.address]).resolve("API.test.")

        assert found[0] == "fd00::1"
        assert sorted(found[1:]) == ["10.0.0.1", "10.0.0.2"]  # our server shuffles
        assert sorted(names.questions) == [("api.test", A), ("api.test", AAAA)]

    run(scenario())


def test_same_name_is_asked_once_and_kept_for_its_ttl(run: Run) -> None:
    async def scenario() -> None:
        now = [0.0]
        async with naming({("api.test", A): ["10.0.0.1"]}, ttl_s=20) as names:
            resolver = Resolver([names.address], clock=lambda: now[0])
            found = await asyncio.gather(*(resolver.resolve("api.test") for _ in range(50)))
            assert set(found) == {("10.0.0.1",)}
            assert len(names.questions) == 2
            now[0] = 19
            await resolver.resolve("api.test")
            assert len(names.questions) == 2
            now[0] = 21
            await resolver.resolve("api.test")
            assert len(names.questions) == 4

    run(scenario())


def test_truncated_answer_is_fetched_over_tcp(run: Run) -> None:
    async def scenario() -> None:
        async with naming({("big.test", A): [TRUNCATED, "10.0.0.1"]}) as names:
            assert await Resolver([names.address]).resolve("big.test") == ("10.0.0.1",)

    run(scenario())


def test_silent_family_does_not_hold_up_the_other(run: Run) -> None:
    async def scenario() -> None:
        async with naming({("half.test", A): ["10.0.0.1"], ("half.test", AAAA): [SILENT]}) as names:
            started = time.perf_counter()
            assert await Resolver([names.address]).resolve("half.test") == ("10.0.0.1",)

        assert time.perf_counter() - started < IN_TIME_S  # it is asked for three times as long

    run(scenario())


def test_second_server_answers_where_the_first_fails(run: Run) -> None:
    async def scenario() -> None:
        async with naming({("api.test", A): [SERVFAIL]}) as bad, naming({("api.test", A): ["10.0.0.1"]}) as good:
            assert await Resolver([bad.address, good.address]).resolve("api.test") == ("10.0.0.1",)

    run(scenario())


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("missing.test", "no such host: missing.test"),
        ("empty.test", "empty.test has no address (neither A nor AAAA record)"),
        ("failing.test", "DNS server 127.0.0.1:{port} failed (SERVFAIL) for failing.test"),
        ("api.invalid", "no such host: api.invalid"),
        ("a" * 64 + ".test", "a" * 64 + ".test is not a name that DNS knows (LabelTooLong)"),
        ("a..test", "a..test is not a name that DNS knows (EmptyLabel)"),
    ],
)
def test_failures_are_named(run: Run, host: str, words: str) -> None:
    async def scenario() -> None:
        records = {("empty.test", "TXT"): ["x"], ("failing.test", A): [SERVFAIL], ("failing.test", AAAA): [SERVFAIL]}
        async with naming(records) as names:
            with pytest.raises(ResolutionFailed) as failure:
                await Resolver([names.address]).resolve(host)

        assert str(failure.value) == words.format(port=names.port)

    run(scenario())


def test_hanging_name_fails_as_dns_and_delays_nobody(run: Run) -> None:
    async def scenario() -> None:
        records = {("hang.test", A): [SILENT], ("hang.test", AAAA): [SILENT], ("good.test", A): ["127.0.0.1"]}
        async with naming(records) as names, serving(says(OK)) as target:
            tools = Tools(resolver=Resolver([names.address]))
            hanging = asyncio.ensure_future(probe(make_spec("http://hang.test/", timeout_ms=1_500), tools))
            good = await probe(make_spec(target.url(host="good.test")), tools)
            assert good.verdict is Verdict.OK and not hanging.done()
            result: ProbeResult = await hanging
            await until(lambda: len(asyncio.all_tasks()) < 8)

        words = f"hang.test was not resolved within 1.5 s: no answer from DNS server 127.0.0.1:{names.port}"
        assert why(result) == (ErrorType.DNS, words)
        assert result.phases.dns_ms is None

    run(scenario())


def test_one_waiter_less_does_not_end_a_shared_look_up(run: Run) -> None:
    async def scenario() -> None:
        async with naming({("slow.test", A): ["10.0.0.1"]}) as names:
            resolver = Resolver([names.address])
            impatient = asyncio.ensure_future(resolver.resolve("slow.test"))
            patient = asyncio.ensure_future(resolver.resolve("slow.test"))
            await asyncio.sleep(0)
            impatient.cancel()
            assert await patient == ("10.0.0.1",)

    run(scenario())


def test_names_that_never_go_to_dns(run: Run) -> None:
    resolver = Resolver([], hosts=parse_hosts(["10.1.1.1 db Db.test # x", "fd00::1 db", "garbage", "x y", ""]))

    assert run(resolver.resolve("db")) == ("10.1.1.1", "fd00::1")
    assert run(resolver.resolve("DB.test")) == ("10.1.1.1",)
    assert run(resolver.resolve("localhost")) == ("127.0.0.1", "::1")
    assert run(resolver.resolve("api.localhost")) == ("127.0.0.1", "::1")
    assert run(resolver.resolve("0x7f.1")) == ("127.0.0.1",)
    with pytest.raises(NoNameServer, match="no DNS server is configured"):
        run(resolver.resolve("api.test"))


def test_system_resolver_reads_the_machine(run: Run) -> None:
    assert "127.0.0.1" in run(Resolver.from_system().resolve("localhost"))


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("10.0.0.2", ("10.0.0.2", 53)),
        (" 10.0.0.2:5353 ", ("10.0.0.2", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
        ("[::1]", ("::1", 53)),
    ],
)
def test_nameservers_are_read(text: str, server: tuple[str, int]) -> None:
    assert parse_nameserver(text) == server


@pytest.mark.parametrize("text", ["", "dns.example", "10.0.0.2:x"])
def test_other_nameservers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"DNS server|invalid literal"):
        parse_nameserver(text)


def test_an_answer_of_too_many_records_is_not_read(run: Run) -> None:
    async def scenario() -> None:
        many = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(dns_client.RECORDS + 1)]
        async with naming({("few.test", "A"): [TRUNCATED, *many[1:]], ("many.test", "A"): [TRUNCATED, *many]}) as names:
            resolver = Resolver([names.address])
            assert len(await resolver.resolve("few.test")) == dns_client.RECORDS
            with pytest.raises(ResolutionFailed, match="more than 256 records"):
                await resolver.resolve("many.test")

    run(scenario())
