"""The headers of every API response."""

import re

import pytest
from django.test import Client

pytestmark = [pytest.mark.urls("observability.tests.api"), pytest.mark.django_db]
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize("address", ["/api/fine", "/api/fail/bug", "/api/nowhere"])
def test_headers_come_back_whatever_happens(client: Client, address: str) -> None:
    given = {"traceparent": f"00-{TRACE}-{SPAN}-01", "X-Job-Id": "nightly-7", "X-Project-Id": "acme"}

    headers = client.get(address, headers=given).headers

    assert (headers["X-Trace-Id"], headers["X-Job-Id"], headers["X-Project-Id"]) == (TRACE, "nightly-7", "acme")
    assert re.fullmatch(rf"00-{TRACE}-(?!{SPAN})[0-9a-f]{{16}}-01", headers["traceparent"])
    assert headers["X-Service"] == "sla-monitor"
    assert float(headers["X-Processing-Time"]) > 0
    assert headers["Server-Timing"] == f"app;dur={headers['X-Processing-Time']}"


def test_view_works_for_the_trace_of_its_request(client: Client) -> None:
    body = client.get("/api/fine", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"}).json()

    assert body == {"trace_id": TRACE, "parent_id": SPAN}


def test_trace_id_is_made_where_none_came(client: Client) -> None:
    first, second = (client.get("/api/fine").headers["X-Trace-Id"] for _ in range(2))

    assert re.fullmatch(r"[0-9a-f]{32}", first) and first != second


def test_ids_that_were_not_given_or_cannot_be_taken_do_not_come_back(client: Client) -> None:
    headers = client.get("/api/fine", headers={"X-Job-Id": "no spaces please"}).headers

    assert "X-Job-Id" not in headers and "X-Project-Id" not in headers
