import pytest

from monitoring.probes import probe
from monitoring.probes.failures import NotAllowed
from monitoring.probes.model import ErrorType, Verdict
from monitoring.probes.net.connect import interleave
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.tests.conftest import Run, make_spec, why
from monitoring.probes.tests.names import naming
from monitoring.probes.tests.targets import OK, says, serving
from monitoring.probes.tools import Tools


def test_families_take_turns() -> None:
    assert interleave(["::1", "::2", "::3", "1.1.1.1", "2.2.2.2"]) == ["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]
    assert interleave(["1.1.1.1", "::1"]) == ["1.1.1.1", "::1"]


def test_refused_connection(run: Run, tools: Tools, closed_port: int) -> None:
    result = run(probe(make_spec(f"http://127.0.0.1:{closed_port}/"), tools))

    assert why(result) == (ErrorType.CONNECTION, f"connection refused by 127.0.0.1:{closed_port}")
    assert result.phases.dns_ms is not None
    assert result.phases.connect_ms is None


def test_one_of_fifty_addresses_is_enough(run: Run) -> None:
    async def scenario() -> None:
        addresses = [f"127.0.1.{n}" for n in range(1, 50)] + ["127.0.0.1"]
        async with naming({("many.test", "A"): addresses}) as names, serving(says(OK)) as target:
            tools = Tools(resolver=Resolver([names.address]))
            result = await probe(make_spec(target.url(host="many.test")), tools)

        assert result.verdict is Verdict.OK, result.error_message

    run(scenario())


def test_all_addresses_refusing_are_summed_up(run: Run, closed_port: int) -> None:
    async def scenario() -> None:
        addresses = [f"127.0.0.{n}" for n in range(1, 6)]
        async with naming({("many.test", "A"): addresses}) as names:
            tools = Tools(resolver=Resolver([names.address]))
            result = await probe(make_spec(f"http://many.test:{closed_port}/"), tools)

        assert result.error_type is ErrorType.CONNECTION
        words = result.error_message or ""
        assert words.startswith("none of 5 addresses accepts a connection: connection refused by 127.0.0.")
        assert words.endswith("; and 2 more")

    run(scenario())


def test_forbidden_addresses_of_a_name_are_left_out(run: Run) -> None:
    async def scenario() -> None:
        records = {("mixed.test", "A"): ["169.254.169.254", "127.0.0.1"], ("evil.test", "A"): ["169.254.169.254"]}
        async with naming(records) as names, serving(says(OK)) as target:
            tools = Tools(resolver=Resolver([names.address]))
            mixed = await probe(make_spec(target.url(host="mixed.test")), tools)
            with pytest.raises(NotAllowed) as refused:
                await probe(make_spec(target.url(host="evil.test")), tools)

        assert mixed.verdict is Verdict.OK
        words = "evil.test: refused to connect to 169.254.169.254: cloud metadata addresses are never probed"
        assert str(refused.value) == words

    run(scenario())


def test_deaf_address_runs_into_the_deadline(run: Run, tools: Tools, deaf_port: int) -> None:
    result = run(probe(make_spec(f"http://127.0.0.1:{deaf_port}/", timeout_ms=200), tools))

    words = f"no answer within 0.2 s: connecting to 127.0.0.1:{deaf_port}"
    assert why(result) == (ErrorType.TIMEOUT, words)


def test_deaf_address_does_not_hold_up_the_next(run: Run, deaf_port: int) -> None:
    async def scenario() -> None:
        async with naming({("two.test", "A"): ["127.0.0.1", "127.0.0.2"]}) as names:
            tools = Tools(resolver=Resolver([names.address]))
            result = await probe(make_spec(f"http://two.test:{deaf_port}/", timeout_ms=600), tools)

        # The second one refuses, after which only the deaf one is left to wait for.
        assert result.error_type is ErrorType.TIMEOUT

    run(scenario())
