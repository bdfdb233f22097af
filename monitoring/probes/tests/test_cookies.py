"""Cookies over the redirects of a check; docs/compatibility.md has the rules for one of them."""

import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.probes import probe
from monitoring.probes.http.cookies import MOST, Jar, read_cookie, read_date
from monitoring.probes.model import Verdict
from monitoring.probes.net.resolver import Resolver
from monitoring.probes.tests.conftest import Run, make_spec
from monitoring.probes.tests.names import naming
from monitoring.probes.tests.targets import OK, Script, says, serving
from monitoring.probes.tools import Tools

NOW_S = 1_800_000_000.0


def asks_for(cookie: bytes, location: bytes = b"/") -> Script:
    """Redirect, with a cookie, whoever does not have it."""

    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        if cookie in request:
            writer.write(OK)
        else:
            writer.write(b"HTTP/1.1 302 Go\r\nSet-Cookie: %b\r\nLocation: %b\r\n\r\n" % (cookie, location))

    return script


def test_redirect_to_itself_ends_with_the_cookie(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(asks_for(b"seen=1")) as target:
            first = await probe(make_spec(target.url()), tools)
            second = await probe(make_spec(target.url()), tools)
            without = await probe(make_spec(target.url(), settings={"cookies": False}), tools)

        assert (first.verdict, len(first.requests)) == (Verdict.OK, 2), first.error_message
        assert len(second.requests) == 2  # nothing was kept
        assert b"Cookie: seen=1\r\n" in target.requests[1]
        assert str(without.error_message).startswith("redirects go round in a loop")

    run(scenario())


def test_cookie_that_changes_nothing_is_a_loop(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(says(b"HTTP/1.1 302 Go\r\nSet-Cookie: seen=1\r\nLocation: /\r\n\r\n")) as target:
            result = await probe(make_spec(target.url()), tools)

        assert str(result.error_message).startswith("redirects go round in a loop")
        assert len(result.requests) == 2

    run(scenario())


def test_cookies_go_to_no_other_site(run: Run) -> None:
    async def scenario() -> None:
        records = {("www.shop.test", "A"): ["127.0.0.1"], ("other.test", "A"): ["127.0.0.1"]}
        async with naming(records) as names, serving(says(OK)) as other:
            away = other.url(host="other.test").encode()
            async with serving(asks_for(b"seen=1; Domain=test", away)) as home:
                tools = Tools(resolver=Resolver([names.address]))
                settings = {"headers": {"Cookie": "token=secret", "X-Key": "k"}}
                result = await probe(make_spec(home.url(host="www.shop.test"), settings=settings), tools)

        assert result.verdict is Verdict.OK, result.error_message
        assert b"Cookie: token=secret\r\n" in home.requests[0]
        assert b"cookie" not in other.requests[0].lower() and b"X-Key" not in other.requests[0]

    run(scenario())


def test_new_cookie_replaces_that_of_the_services_own_header(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(asks_for(b"session=new")) as target:
            settings = {"headers": {"cookie": "session=old; theme=dark"}}
            result = await probe(make_spec(target.url(), settings=settings), tools)

        assert result.verdict is Verdict.OK, result.error_message
        assert b"Cookie: theme=dark; session=new\r\n" in target.requests[1]
        assert target.requests[1].lower().count(b"cookie:") == 1

    run(scenario())


def test_secure_cookie_cannot_be_replaced_by_an_insecure_page() -> None:
    jar = Jar()
    secure, plain = httpx.URL("https://shop.test/"), httpx.URL("http://shop.test/")

    jar.keep(secure, [b"a=1; Secure"], NOW_S)
    jar.keep(plain, [b"a=2", b"b=3"], NOW_S)

    assert jar.header(secure, NOW_S) == b"a=1; b=3"
    assert jar.header(plain, NOW_S) == b"b=3"


def test_cookie_expires() -> None:
    jar, url = Jar(), httpx.URL("http://shop.test/")

    jar.keep(url, [b"a=1; Max-Age=5", b"b=2"], NOW_S)

    assert jar.header(url, NOW_S + 4) == b"a=1; b=2"
    assert jar.header(url, NOW_S + 6) == b"b=2"


def test_jar_is_bounded() -> None:
    jar, url = Jar(), httpx.URL("http://shop.test/")

    jar.keep(url, [b"c%d=1" % number for number in range(MOST + 9)], NOW_S)
    jar.keep(url, [b"a=" + b"x" * 4_096], NOW_S)

    assert jar.header(url, NOW_S).count(b"=") == MOST


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        ("Sun Nov  6 08:49:37 1994", 784111777),
        ("1994 nov 6 08:49:37", 784111777),
        ("06 Nov 69 08:49:37", 3150953377),
        ("06 Nov 1994 24:49:37", None),
        ("31 Feb 1994 08:49:37", None),
        ("06 Nov 1500 08:49:37", None),
        ("", None),
    ],
)
def test_date_is_read_as_browsers_do(text: str, seconds: int | None) -> None:
    assert read_date(text) == seconds


HOSTS = st.sampled_from(["shop.test", "www.shop.test", "a.www.shop.test", "other.test", "op.test", "127.0.0.1", "test"])


@given(st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b"")))
def test_any_line_is_a_cookie_or_none(line: bytes) -> None:
    cookie = read_cookie(line, httpx.URL("https://www.shop.test/a/b"), NOW_S)

    if cookie is not None:
        header = cookie.name + cookie.value
        assert b";" not in header and b"\0" not in header
        assert cookie.host in ("www.shop.test", "shop.test")


@given(HOSTS, HOSTS, HOSTS)
def test_cookie_goes_only_to_its_host_or_below_a_parent_it_named(host: str, domain: str, following: str) -> None:
    jar = Jar()

    jar.keep(httpx.URL(f"http://{host}/"), [f"a=1; Domain={domain}".encode()], NOW_S)

    if jar.header(httpx.URL(f"http://{following}/"), NOW_S):
        assert host == domain or host.endswith(f".{domain}")
        assert following == domain or following.endswith(f".{domain}")
        assert domain != "test" or host == "test"
