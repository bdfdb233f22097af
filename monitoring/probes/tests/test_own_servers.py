"""Our own DNS servers: which are asked, when their file is read again, and when they are to blame."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from monitoring.probes import probe
from monitoring.probes.failures import NoNameServer, ResolutionFailed
from monitoring.probes.model import ErrorType, Verdict
from monitoring.probes.net.resolv_conf import ResolvConf
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.net.system_names import LOOK_EVERY_S, SystemNames
from monitoring.probes.tests.conftest import Run, make_spec, until, why
from monitoring.probes.tests.names import REFUSED, SERVFAIL, SILENT, naming
from monitoring.probes.tests.targets import OK, says, serving
from monitoring.probes.tools import Tools

A, AAAA = "A", "AAAA"
HERE = {("api.test", A): ["127.0.0.1"]}
UNHEARD = {("api.test", A): [SILENT], ("api.test", AAAA): [SILENT]}
UNWANTED = {("api.test", A): [REFUSED], ("api.test", AAAA): [REFUSED]}


class Machine:
    """Files of a machine, and a clock."""

    def __init__(self, path: Path) -> None:
        self.resolv_conf, self.hosts = path / "resolv.conf", path / "hosts"
        self.now = 0.0
        self.system = SystemNames(resolv_conf=self.resolv_conf, hosts=self.hosts, clock=lambda: self.now)

    def write(self, path: Path, text: str) -> None:
        """Replace a file, as programs do, and let time pass until it is noticed."""
        new = path.with_suffix(".new")
        new.write_text(text)
        os.replace(new, path)
        self.now += LOOK_EVERY_S


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_changed_hosts_and_search_list_are_used_within_a_second(run: Run, machine: Machine) -> None:
    resolver = Resolver(system=machine.system)
    machine.write(machine.hosts, "10.0.0.1 db")
    assert run(resolver.resolve("db")) == ("10.0.0.1",)

    machine.write(machine.hosts, "10.0.0.2 db\nfd00::2 db")
    assert run(resolver.resolve("db")) == ("10.0.0.2", "fd00::2")

    machine.write(machine.resolv_conf, "nameserver 10.0.0.53\nnameserver 10.0.0.54")
    assert resolver.client.servers == "DNS server 10.0.0.53 or 10.0.0.54"


def test_files_that_do_not_change_are_read_once(machine: Machine) -> None:
    machine.write(machine.hosts, "10.0.0.1 db")

    assert machine.system.changed() is not None
    assert machine.system.changed() is None
    machine.now += LOOK_EVERY_S
    assert machine.system.changed() is None
    machine.hosts.unlink()
    machine.now += LOOK_EVERY_S
    assert getattr(machine.system.changed(), "hosts", None) == {}


def test_given_servers_take_the_place_of_written_ones(run: Run, tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 10.0.0.53\nsearch test")

    async def scenario() -> None:
        async with naming({("api.test", A): ["10.0.0.1"]}) as names:
            system = SystemNames((names.address,), resolv_conf=tmp_path / "resolv.conf", hosts=tmp_path / "hosts")
            assert await Resolver(system=system).resolve("api") == ("10.0.0.1",)

    run(scenario())


def test_a_look_up_under_way_does_not_keep_others_from_a_new_server(run: Run, machine: Machine) -> None:
    async def scenario() -> None:
        async with naming({}) as dead, naming({("api.test", A): ["10.0.0.1"]}) as good:
            dead.is_dead = True
            resolver = Resolver((dead.address,))
            waiting = asyncio.ensure_future(resolver.resolve("api.test"))
            await until(lambda: bool(dead.questions))

            resolver._system = SystemNames((good.address,), resolv_conf=machine.resolv_conf, hosts=machine.hosts)
            assert await resolver.resolve("api.test") == ("10.0.0.1",)
            waiting.cancel()

    run(scenario())


def test_short_names_are_searched_and_kept(run: Run) -> None:
    async def scenario() -> None:
        conf = ResolvConf(search=("svc.test", "cluster.test"), ndots=5)
        records = {("db.data.cluster.test", A): ["10.0.0.1"], ("db.data.svc.test", A): [SERVFAIL]}
        async with naming(records) as names:
            resolver = Resolver([names.address], conf=conf)
            assert await resolver.resolve("DB.data") == ("10.0.0.1",)
            asked = len(names.questions)
            assert await resolver.resolve("db.data") == ("10.0.0.1",)
            assert len(names.questions) == asked
            with pytest.raises(ResolutionFailed, match=r"^no such host: db.data$"):
                await resolver.resolve("db.data.")
            with pytest.raises(ResolutionFailed, match=r"no such host: x \(tried as x.svc.test, x.cluster.test, x\)"):
                await resolver.resolve("x")

    run(scenario())


def test_a_name_without_address_is_the_most_telling(run: Run) -> None:
    async def scenario() -> None:
        async with naming({("x.a.test", "TXT"): ["y"]}) as names:
            with pytest.raises(
                ResolutionFailed, match=r"x.a.test has no address .* \(tried as x.a.test, x.b.test, x\)"
            ):
                await Resolver([names.address], conf=ResolvConf(search=("a.test", "b.test"))).resolve("x")

    run(scenario())


def test_a_server_that_refuses_names_outside_of_its_zone_is_asked_for_those_inside(run: Run) -> None:
    async def scenario() -> None:
        outside = {(name, record): [REFUSED] for name in ("db.data", "x", "x.a.test") for record in (A, AAAA)}
        async with naming({**outside, ("db.data.a.test", A): ["10.0.0.1"]}) as names:
            resolver = Resolver([names.address], conf=ResolvConf(search=("a.test",)))
            assert await resolver.resolve("db.data") == ("10.0.0.1",)
            with pytest.raises(NoNameServer, match=r"failed \(REFUSED\) for x.a.test \(tried as x.a.test, x\)"):
                await resolver.resolve("x")

    run(scenario())


def test_options_change_the_questions(run: Run) -> None:
    async def scenario() -> None:
        async with naming({("api.test", A): ["10.0.0.1"]}) as names:
            for conf in (ResolvConf(edns0=True), ResolvConf(use_tcp=True), ResolvConf(no_aaaa=True)):
                assert await Resolver([names.address], conf=conf).resolve("api.test") == ("10.0.0.1",)
        assert names.sizes == [1232, 1232, 0, 0, 0]
        assert names.over_tcp == 2
        assert [record for _, record in names.questions[4:]] == [A]

    run(scenario())


def test_a_server_that_knows_no_edns_is_asked_without(run: Run) -> None:
    async def scenario() -> None:
        async with naming({("api.test", A): ["10.0.0.1"]}) as names:
            names.knows_edns = False
            assert await Resolver([names.address], conf=ResolvConf(edns0=True)).resolve("api.test") == ("10.0.0.1",)

    run(scenario())


def test_rotation_begins_with_another_server_each_time(run: Run) -> None:
    async def scenario() -> None:
        async with naming(HERE) as one, naming(HERE) as two:
            resolver = Resolver([one.address, two.address], conf=ResolvConf(rotate=True))
            await resolver.resolve("api.test")
            assert len(one.questions) == len(two.questions) == 1

    run(scenario())


def test_a_dead_first_server_costs_one_wait_not_one_for_each_name(run: Run) -> None:
    async def scenario() -> None:
        records = {(f"{name}.test", A): ["10.0.0.1"] for name in "abcdef"}
        async with naming({}) as dead, naming(records) as good:
            dead.is_dead = True
            resolver = Resolver([dead.address, good.address])
            for name in "abcdef":
                assert await resolver.resolve(f"{name}.test") == ("10.0.0.1",)
            assert {name for name, _ in dead.questions} == {"a.test"}

    run(scenario())


async def check(resolver: Resolver, host: str = "api.test", timeout_ms: int = 600) -> Any:
    return await probe(make_spec(f"http://{host}:9/", timeout_ms=timeout_ms), Tools(resolver=resolver))


@pytest.mark.parametrize("conf", [ResolvConf(), ResolvConf(attempts=1)])
def test_servers_that_answer_nobody_are_to_blame(run: Run, conf: ResolvConf) -> None:
    async def scenario() -> None:
        async with naming({}) as one, naming({}) as two:
            one.is_dead = two.is_dead = True
            for _ in range(2):
                with pytest.raises(NoNameServer, match=r"DNS server 127.0.0.1:.* (did|does) not answer"):
                    await check(Resolver([one.address, two.address], conf=conf), timeout_ms=2_500)

    run(scenario())


def test_a_name_that_nobody_answers_for_is_a_failure_of_the_target(run: Run) -> None:
    async def scenario() -> None:
        async with naming(UNHEARD) as names:
            results = [
                await check(Resolver([names.address])),
                await check(Resolver([names.address], conf=ResolvConf(attempts=1)), timeout_ms=5_000),
            ]

        server = f"DNS server 127.0.0.1:{names.port}"
        assert [why(result) for result in results] == [
            (ErrorType.DNS, f"api.test was not resolved within 0.6 s: no answer from {server}"),
            (ErrorType.DNS, f"{server} did not answer for api.test"),
        ]
        assert results[0].phases.total_ms < results[1].phases.total_ms

    run(scenario())


def test_a_short_timeout_does_not_blame_the_name_for_a_dead_first_server(run: Run) -> None:
    async def scenario() -> None:
        async with naming({}) as dead, naming(HERE) as good, serving(says(OK)) as target:
            dead.is_dead = True
            tools = Tools(resolver=Resolver([dead.address, good.address]))
            spec = make_spec(target.url(host="api.test"), timeout_ms=400)
            with pytest.raises(NoNameServer, match=f"DNS server 127.0.0.1:{dead.port} does not answer"):
                await probe(spec, tools)
            result = await probe(make_spec(target.url(host="api.test"), timeout_ms=20_000), tools)

        assert result.verdict is Verdict.OK

    run(scenario())


@pytest.mark.parametrize("closed", ["first", "only"])
def test_refusals_and_closed_ports_are_ours(run: Run, closed_port: int, closed: str) -> None:
    async def scenario() -> None:
        shut = ("127.0.0.1", closed_port)
        async with naming(UNWANTED) as refusing:
            servers = [shut] if closed == "only" else [shut, refusing.address]
            with pytest.raises(NoNameServer) as failure:
                await check(Resolver(servers))

        words = f"DNS server 127.0.0.1:{closed_port} failed (Connection refused)"
        more = "" if closed == "only" else f"; DNS server 127.0.0.1:{refusing.port} failed (REFUSED)"
        assert str(failure.value) == f"{words}{more} for api.test"

    run(scenario())


def test_servfail_and_missing_names_are_failures_of_the_target(run: Run) -> None:
    async def scenario() -> None:
        records = {("api.test", A): [SERVFAIL], ("api.test", AAAA): [SERVFAIL]}
        async with naming(records) as names, naming(UNWANTED) as refusing:
            results = [
                await check(Resolver([names.address])),
                await check(Resolver([refusing.address, names.address])),
                await check(Resolver([names.address]), "gone.test"),
            ]

        assert [result.error_type for result in results] == [ErrorType.DNS] * 3
        assert [result.verdict for result in results] == [Verdict.BAD] * 3

    run(scenario())


@pytest.mark.parametrize("settings", [{}, {"type": "TXT"}])
def test_record_checks_blame_our_own_servers_but_never_the_one_of_the_check(run: Run, settings: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with naming({("api.test", "A"): [REFUSED], ("api.test", "TXT"): [REFUSED]}) as names:
            spec = make_spec("dns://api.test", kind="dns", settings=settings)
            with pytest.raises(NoNameServer, match="REFUSED"):
                await probe(spec, Tools(resolver=Resolver([names.address])))
            names.is_dead = True
            spec = make_spec("dns://api.test", kind="dns", settings=settings, timeout_ms=300)
            with pytest.raises(NoNameServer, match="does not answer"):
                await probe(spec, Tools(resolver=Resolver([names.address])))
            own = make_spec(
                "dns://api.test",
                kind="dns",
                settings={**settings, "resolver": f"127.0.0.1:{names.port}"},
                timeout_ms=300,
            )
            result = await probe(own, Tools(resolver=Resolver([])))

        assert result.error_type is ErrorType.DNS

    run(scenario())


def test_a_scope_that_is_no_interface_is_ours(run: Run) -> None:
    with pytest.raises(NoNameServer, match="DNS server fe80::1%nowhere failed"):
        run(check(Resolver([("fe80::1%nowhere", 53)])))
