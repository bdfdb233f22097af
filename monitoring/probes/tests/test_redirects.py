import pytest

from monitoring.probes import probe
from monitoring.probes.failures import NotAllowed
from monitoring.probes.model import ErrorType, Verdict
from monitoring.probes.tests.conftest import Run, make_spec
from monitoring.probes.tests.targets import OK, redirects, says, serving
from monitoring.probes.tools import Tools


def test_each_hop_is_measured(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(redirects({"/": "/a", "/a": "b?q=1#part"})) as target:
            result = await probe(make_spec(target.url()), tools)

        assert (result.verdict, result.status_code) == (Verdict.OK, 200)
        assert [(hop.url, hop.status_code, hop.error_message) for hop in result.requests] == [
            (target.url("/"), 302, None),
            (target.url("/a"), 302, None),
            (target.url("/b?q=1#part"), 200, None),
        ]
        assert result.phases.total_ms >= sum(hop.phases.total_ms for hop in result.requests)
        connects = [hop.phases.connect_ms or 0 for hop in result.requests]
        assert result.phases.connect_ms == pytest.approx(sum(connects))
        assert len({request.split(b"traceparent: ")[1][:55] for request in target.requests}) == 3

    run(scenario())


@pytest.mark.parametrize(
    ("routes", "words"),
    [
        ({"/": "/a", "/a": "/?secret=1", "/?secret=1": "/"}, "redirects go round in a loop, back to "),
        ({"/": "/"}, "redirects go round in a loop, back to "),
        ({f"/{'x' * n}": f"/{'x' * (n + 1)}" for n in range(25)}, "more than 20 redirects, the last to "),
        ({"/": "ftp://ann:pw@files.example/x"}, "redirected to ftp://files.example/x: only http and https"),
        ({"/": "http://[::"}, "redirected to http://[::: "),
    ],
)
def test_bad_redirects_are_http_errors_in_words(run: Run, tools: Tools, routes: dict[str, str], words: str) -> None:
    async def scenario() -> None:
        async with serving(redirects(routes)) as target:
            result = await probe(make_spec(target.url()), tools)

        assert result.error_type is ErrorType.HTTP, result
        assert result.error_message is not None and result.error_message.startswith(words)
        assert "secret" not in result.error_message and "pw@" not in result.error_message
        assert result.requests[-1].error_message == result.error_message
        assert len(result.requests) <= 21

    run(scenario())


def test_secrets_stay_with_their_origin(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        routes = {"/": "/again"}
        async with serving(says(OK)) as other, serving(redirects(routes)) as home:
            routes["/again"] = other.url("/other")
            url = home.url().replace("127", "ann:pw@127", 1)
            result = await probe(make_spec(url, settings={"headers": {"X-Key": "k"}}), tools)

        assert result.verdict is Verdict.OK
        assert [b"X-Key: k" in request and b"Authorization" in request for request in home.requests] == [True, True]
        assert b"X-Key" not in other.requests[0] and b"Authorization" not in other.requests[0]
        assert b"traceparent" in other.requests[0]

    run(scenario())


def test_redirect_to_a_forbidden_address_is_refused(run: Run, tools: Tools) -> None:
    async def scenario() -> None:
        async with serving(redirects({"/": "http://169.254.169.254/latest/meta-data/"})) as target:
            with pytest.raises(NotAllowed) as refused:
                await probe(make_spec(target.url()), tools)

        words = "refused to connect to 169.254.169.254: cloud metadata addresses are never probed"
        assert str(refused.value) == f"redirected to http://169.254.169.254/latest/meta-data/: {words}"

    run(scenario())


@pytest.mark.parametrize(("code", "method"), [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_redirected_post_keeps_its_method_only_where_told(run: Run, tools: Tools, code: int, method: str) -> None:
    async def scenario() -> None:
        async with serving(redirects({"/": "/next"}, code)) as target:
            result = await probe(make_spec(target.url(), settings={"method": "POST"}), tools)

        assert [hop.method for hop in result.requests] == ["POST", method]

    run(scenario())
