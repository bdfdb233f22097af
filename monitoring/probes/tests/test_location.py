"""A Location is resolved as the URL standard says; docs/compatibility.md has the rules for each part of it."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.probes.http.location import read_location

BASE = httpx.URL("http://shop.test:8000/a/b?c=d")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"?", "http://shop.test:8000/a/b?"),
        (b"?e", "http://shop.test:8000/a/b?e"),
        (b"#f", "http://shop.test:8000/a/b?c=d#f"),
        (b"http:", "http://shop.test:8000/a/b?c=d"),
        (b"e;", "http://shop.test:8000/a/e;"),
        (b"e//f///", "http://shop.test:8000/a/e//f///"),
        (b"//other.test", "http://other.test/"),
        (b"//other.test//..?", "http://other.test/?"),
        (b"%2E%2e/e/.", "http://shop.test:8000/e/"),
        (b"../../../e/..", "http://shop.test:8000/"),
        (b"https:other.test\\e", "https://other.test/e"),
        (b"\x01 /e\t f \x1f", "http://shop.test:8000/e%20f"),
        (b"http://2130706433/", "http://127.0.0.1/"),
        (b"http://%6Fther.test/", "http://other.test/"),
        ("http://bücher.test/ü".encode(), "http://bücher.test/%C3%BC"),
    ],
)
def test_location_is_resolved_as_in_browsers(location: bytes, target: str) -> None:
    assert read_location(location, BASE)[0] == target


@pytest.mark.parametrize(
    "location",
    [b"http://a b/", b"http://a%2Fb/", b"http://a%40b/", b"http://\xfc/", b"http://a:1x/", b"//a:+1/", b"//a<b"],
)
def test_host_that_browsers_refuse_is_refused(location: bytes) -> None:
    with pytest.raises(httpx.InvalidURL):
        read_location(location, BASE)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_url_or_refused(location: bytes) -> None:
    try:
        target, _ = read_location(location, BASE)
        url = httpx.URL(target)
    except (httpx.InvalidURL, UnicodeError):
        return

    if url.scheme in ("http", "https"):
        assert b" " not in url.raw_path and b"\n" not in url.raw_path and b"\r" not in url.raw_path
