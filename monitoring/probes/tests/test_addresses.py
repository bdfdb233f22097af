"""Every address of a name in one check, and connections to another place than the name leads to."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

import pytest
import trustme

from monitoring.probes import KINDS, probe
from monitoring.probes.every_address import MOST_ADDRESSES
from monitoring.probes.failures import NoNameServer, NotAllowed
from monitoring.probes.http.requests import origin_of
from monitoring.probes.model import ErrorType, ProbeResult, Verdict
from monitoring.probes.net.address import AddressPolicy
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.net.route import read_door
from monitoring.probes.secrets import Place
from monitoring.probes.settings import Notes
from monitoring.probes.target import Target
from monitoring.probes.tests.conftest import Run, make_spec, server_context, why
from monitoring.probes.tests.names import naming
from monitoring.probes.tests.targets import OK, Script, says, serving
from monitoring.probes.tools import Tools

BUSY = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
ODD = b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"
SECOND = "127.0.0.2"
EVERYWHERE = "0.0.0.0"


def by_address(answers: dict[str, Any], other: bytes = OK) -> Script:
    """Answer with what is listed for the address that was connected to; None: not at all."""

    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        answer = answers.get(writer.get_extra_info("sockname")[0], other)
        if answer is None:
            await asyncio.Event().wait()
        writer.write(answer)
        await writer.drain()

    return script


async def look(
    script: Script, addresses: Sequence[str], host: str = EVERYWHERE, kind: str = "http", **changes: Any
) -> tuple[ProbeResult, list[bytes]]:
    """Check all addresses of api.test, where a server answers."""
    async with naming({("api.test", "A"): list(addresses)}) as names, serving(script, host=host) as target:
        tools = Tools(resolver=Resolver([names.address]))
        scheme = {"http": "http", "tcp": "tcp", "reach": "host"}[kind]
        url = f"{scheme}://api.test" + ("" if kind == "reach" else f":{target.port}")
        settings = {"addresses": "all", **changes.pop("settings", {})}
        if kind == "reach":
            settings["ports"] = [target.port]
        return await probe(make_spec(url, kind=kind, settings=settings, **changes), tools), target.requests


def test_each_address_is_asked_and_good(run: Run) -> None:
    result, requests = run(look(says(OK), ["127.0.0.1", SECOND, "127.0.0.3"]))

    assert result.verdict is Verdict.OK and result.error_message is None
    assert len(requests) == len(result.requests) == 3
    assert len({request.split(b"traceparent: ")[1].split(b"\r\n")[0] for request in requests}) == 3
    assert result.status_code == 200 and result.phases.dns_ms > 0 and result.phases.connect_ms > 0


def test_the_sick_one_is_named(run: Run) -> None:
    result, _ = run(look(by_address({SECOND: BUSY}), ["127.0.0.1", SECOND]))

    assert why(result) == (ErrorType.HTTP, "1 of 2 addresses fails: 127.0.0.2: answered 503 Service Unavailable")
    assert result.status_code == result.requests[-1].status_code == 503
    assert sorted(str(request.error_message) for request in result.requests) == [
        "None",
        "answered 503 Service Unavailable",
    ]


def test_by_default_one_good_address_is_enough(run: Run) -> None:
    result, requests = run(look(says(OK), ["127.0.0.1", SECOND], host="127.0.0.1", settings={"addresses": "any"}))

    assert result.verdict is Verdict.OK and len(requests) == 1


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_refusing_address_is_sick(run: Run, kind: str) -> None:
    result, _ = run(look(says(OK), ["127.0.0.1", SECOND], host="127.0.0.1", kind=kind))

    assert result.error_type is ErrorType.CONNECTION
    assert str(result.error_message).startswith("1 of 2 addresses fails: 127.0.0.2: connection refused by 127.0.0.2:")


def test_a_silent_address_is_sick_at_the_deadline(run: Run) -> None:
    result, _ = run(look(by_address({SECOND: None}), ["127.0.0.1", SECOND], timeout_ms=700))

    assert result.error_type is ErrorType.TIMEOUT
    assert "1 of 2 addresses fails: 127.0.0.2: no answer within 0.7 s: connected to 127.0.0.2" in str(
        result.error_message
    )
    assert result.phases.total_ms >= 700


def test_all_sick_addresses_are_summed_up(run: Run) -> None:
    addresses = [f"127.0.0.{n}" for n in range(1, 6)]
    result, _ = run(look(says(BUSY), addresses))

    words = str(result.error_message)
    assert words.startswith("5 of 5 addresses fail: 127.0.0.") and words.endswith("; and 2 more")


def test_a_slow_address_is_named(run: Run) -> None:
    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        if writer.get_extra_info("sockname")[0] == SECOND:
            await asyncio.sleep(1.2)
        writer.write(OK)

    result, _ = run(look(script, ["127.0.0.1", SECOND], timeout_ms=20_000, settings={"degraded_over_ms": 1_000}))

    assert result.verdict is Verdict.SLOW
    assert str(result.error_message).startswith("1 of 2 addresses is slow: 127.0.0.2: took ")


def test_redirects_stay_at_the_address(run: Run) -> None:
    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        if request.startswith(b"GET / "):
            writer.write(b"HTTP/1.1 302 Go\r\nLocation: /at\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(BUSY if writer.get_extra_info("sockname")[0] == SECOND else OK)

    result, requests = run(look(script, ["127.0.0.1", SECOND]))

    assert len(requests) == len(result.requests) == 4
    assert str(result.error_message).startswith("1 of 2 addresses fails: 127.0.0.2: answered 503")


def test_each_address_has_its_own_cookies(run: Run) -> None:
    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        own = f"at={writer.get_extra_info('sockname')[0]}"
        moved = f"HTTP/1.1 302 Go\r\nLocation: /\r\nSet-Cookie: {own}\r\nContent-Length: 0\r\n\r\n"
        has_cookie = b"\r\nCookie: " in request
        writer.write((OK if f"\r\nCookie: {own}\r\n".encode() in request else BUSY) if has_cookie else moved.encode())

    result, requests = run(look(script, ["127.0.0.1", SECOND]))

    assert result.verdict is Verdict.OK, result.error_message
    assert len(requests) == 4


@pytest.mark.parametrize(
    ("answers", "remarks"),
    [
        ({SECOND: ODD}, (f"{SECOND}: forgiven: lines that end in LF alone",)),
        ({"127.0.0.1": ODD, SECOND: ODD}, ("forgiven: lines that end in LF alone",)),
    ],
)
def test_a_remark_names_the_address_unless_it_is_that_of_all(run: Run, answers: Any, remarks: tuple[str]) -> None:
    result, _ = run(look(by_address(answers), ["127.0.0.1", SECOND]))

    assert result.verdict is Verdict.OK
    assert result.remarks == remarks and result.error_message == remarks[0]


def test_remarks_of_good_addresses_are_kept_if_another_is_sick(run: Run) -> None:
    result, _ = run(look(by_address({"127.0.0.1": ODD, SECOND: BUSY}), ["127.0.0.1", SECOND]))

    assert result.verdict is Verdict.BAD
    assert result.remarks == ("127.0.0.1: forgiven: lines that end in LF alone",)


def test_more_addresses_than_can_be_checked_are_told(run: Run) -> None:
    addresses = [f"127.0.1.{n}" for n in range(1, MOST_ADDRESSES + 3)]
    result, requests = run(look(says(OK), addresses))

    assert result.verdict is Verdict.OK and len(requests) == MOST_ADDRESSES
    assert str(result.error_message).startswith(
        f"{MOST_ADDRESSES} of {MOST_ADDRESSES + 2} addresses were checked, not "
    )


def test_a_host_is_reached_at_every_address(run: Run) -> None:
    good, _ = run(look(says(OK), ["127.0.0.1", SECOND], kind="reach"))

    assert good.verdict is Verdict.OK


@pytest.mark.parametrize("url", ["http://api.test:1/", "tcp://api.test:1", "host://api.test", "tls://api.test:1"])
def test_a_name_without_address_is_told_once(run: Run, url: str) -> None:
    kind = {"host": "reach"}.get(url.split(":")[0], url.split(":")[0])

    async def scenario() -> Any:
        async with naming({}) as names:
            spec = make_spec(url, kind=kind, settings={"addresses": "all"})
            missing = await probe(spec, Tools(resolver=Resolver([names.address])))
            names.is_dead = True
            with pytest.raises(NoNameServer):
                await probe(make_spec(url, kind=kind, settings={"addresses": "all"}, timeout_ms=300),
                            Tools(resolver=Resolver([names.address])))  # fmt: skip
            return missing

    assert why(run(scenario())) == (ErrorType.DNS, "no such host: api.test")


# --- connect_to -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["127.0.0.1", "elsewhere.test"])
def test_name_and_port_of_the_url_are_kept_where_we_connect_elsewhere(run: Run, to: str) -> None:
    async def scenario() -> None:
        async with naming({("elsewhere.test", "A"): ["127.0.0.1"]}) as names, serving(says(OK)) as target:
            spec = make_spec("http://api.test/x", settings={"connect_to": f"{to}:{target.port}"})
            result = await probe(spec, Tools(resolver=Resolver([names.address])))

        assert result.verdict is Verdict.OK, result.error_message
        assert b"\r\nHost: api.test\r\n" in target.requests[0]
        assert result.requests[0].url == "http://api.test/x"

    run(scenario())


@pytest.mark.parametrize(("kind", "scheme"), [("http", "https"), ("tls", "tls")])
def test_the_certificate_must_be_for_the_name_of_the_url(
    run: Run, tools: Tools, ca: trustme.CA, kind: str, scheme: str
) -> None:
    async def scenario() -> None:
        seen: list[Any] = []
        context = server_context(ca.issue_cert("api.test"))
        context.sni_callback = lambda _socket, name, _context: seen.append(name)
        async with serving(says(OK), tls=context) as target:
            settings = {"connect_to": f"127.0.0.1:{target.port}"}
            good = await probe(make_spec(f"{scheme}://api.test", kind=kind, settings=settings), tools)
            other = await probe(make_spec(f"{scheme}://other.test", kind=kind, settings=settings), tools)

        assert good.verdict is not Verdict.BAD, good.error_message
        assert why(other) == (ErrorType.CONNECTION, "TLS certificate is for api.test, not other.test")
        assert seen == ["api.test", "other.test"]

    run(scenario())


def test_every_address_of_the_other_place_can_be_checked(run: Run) -> None:
    async def scenario() -> None:
        records = {("pool.test", "A"): ["127.0.0.1", SECOND]}
        async with naming(records) as names, serving(by_address({SECOND: BUSY}), host=EVERYWHERE) as target:
            settings = {"connect_to": f"pool.test:{target.port}", "addresses": "all"}
            result = await probe(
                make_spec("http://api.test/", settings=settings), Tools(resolver=Resolver([names.address]))
            )

        assert str(result.error_message).startswith("1 of 2 addresses fails: 127.0.0.2: answered 503")

    run(scenario())


def test_redirects_to_other_hosts_take_no_detour(run: Run, closed_port: int) -> None:
    async def scenario() -> None:
        moved = f"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.9:{closed_port}/\r\nContent-Length: 0\r\n\r\n"
        async with serving(says(moved.encode())) as target:
            spec = make_spec("http://api.test/", settings={"connect_to": f"127.0.0.1:{target.port}"})
            result = await probe(spec, Tools(resolver=Resolver([])))

        assert why(result) == (ErrorType.CONNECTION, f"connection refused by 127.0.0.9:{closed_port}")

    run(scenario())


@pytest.mark.parametrize("to", ["169.254.169.254", "127.0.0.1", "inside.test"])
def test_rules_hold_for_the_place_that_is_really_connected_to(run: Run, to: str) -> None:
    async def scenario() -> None:
        async with naming({("inside.test", "A"): ["10.0.0.1"]}) as names:
            tools = Tools(resolver=Resolver([names.address]), policy=AddressPolicy(allow_private=False))
            for addresses in ("any", "all"):
                with pytest.raises(NotAllowed, match="refused to connect to"):
                    await probe(
                        make_spec("http://8.8.8.8/", settings={"connect_to": to, "addresses": addresses}), tools
                    )

    run(scenario())


@pytest.mark.parametrize(
    ("text", "door"),
    [
        ("10.0.0.5", Target("10.0.0.5", None)),
        (" 10.0.0.5:8443 ", Target("10.0.0.5", 8443)),
        ("backend-1.internal:8443", Target("backend-1.internal", 8443)),
        ("fd00::1", Target("fd00::1", None)),
        ("[fd00::1]:443", Target("fd00::1", 443)),
        ("☕.example", Target("xn--53h.example", None)),
        ("", None),
        (8443, None),
        ("host:port", None),
        ("host:0", None),
        ("host:99999", None),
        ("http://host", None),
        ("user@host", None),
        ("host/path", None),
        ("a b", None),
        ("a..b", None),
    ],
)
def test_places_to_connect_to_are_read(text: Any, door: Target | None) -> None:
    notes = Notes("connect_to")
    found = read_door(text, notes)

    assert (found if not notes.problems else None) == door
    assert all("Enter host, host:port or [IPv6]:port." in str(problem) for problem in notes.problems)


@pytest.mark.parametrize(("kind", "scheme"), [("http", "https"), ("tls", "tls")])
def test_client_certificates_are_opened_for_the_place_too(run: Run, ca: trustme.CA, kind: str, scheme: str) -> None:
    places: list[Place] = []

    def unseal(sealed: str, place: Place) -> str:
        places.append(place)
        return sealed

    async def scenario() -> None:
        own = ca.issue_cert("monitor@example.com")
        context = server_context(ca.issue_cert("api.test"))
        context.load_verify_locations(cadata=ca.cert_pem.bytes().decode())
        context.verify_mode = ssl.CERT_REQUIRED
        async with serving(says(OK), tls=context) as target:
            settings = {
                "connect_to": f"127.0.0.1:{target.port}",
                "ca": ca.cert_pem.bytes().decode(),
                "client_certificate": own.cert_chain_pems[0].bytes().decode(),
                "client_key": {"secret": own.private_key_pem.bytes().decode()},
            }
            tools = Tools(resolver=Resolver(), unseal=unseal)
            result = await probe(make_spec(f"{scheme}://api.test", kind=kind, settings=settings), tools)

        assert result.verdict is not Verdict.BAD, result.error_message
        assert {place.origin for place in places} == {f"{scheme}://api.test:443 via 127.0.0.1:{target.port}"}

    run(scenario())


def test_secrets_are_bound_to_the_place_too() -> None:
    url = "https://api.example.com/health"

    assert origin_of(url, {"addresses": "all"}) == origin_of(url) == "https://api.example.com:443"
    assert origin_of(url, {"connect_to": "evil.example"}) == "https://api.example.com:443 via evil.example"


@pytest.mark.parametrize("kind", ["http", "tcp", "tls", "reach"])
def test_kinds_that_connect_know_the_setting(kind: str) -> None:
    _, problems = KINDS[kind].read({"addresses": "every"})

    assert "Use one of any, all." in str(problems[0])
