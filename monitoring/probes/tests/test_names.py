import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.probes.net.names import parse_url
from monitoring.probes.target import Port, read_target

SAME = "as Chromium 150 reads them"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Bücher.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("☕.example", "xn--53h.example"),
        ("😀.example", "xn--e28h.example"),
        ("❤️.example", "xn--qei.example"),
        ("xn--53h.example", "xn--53h.example"),
        ("xn--a.example", "xn--a.example"),
        ("xn--.example", "xn--.example"),
        ("ü--.example", "xn-----wka.example"),
        ("ab--cd.example", "ab--cd.example"),
        ("-a.example", "-a.example"),
        ("a_b.example", "a_b.example"),
        ("ｅｘａｍｐｌｅ.com", "example.com"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("a。b.example", "a.b.example"),
        ("ドメイン名例。ｊｐ", "xn--eckwd4c7cu47r2wf.jp"),
        ("a\xad.example", "a.example"),
        ("Ⅷ.example", "viii.example"),
        ("ſ.example", "s.example"),
        ("≠.example", "xn--1ch.example"),
        ("क्\u200dष.example", "xn--11b2ezcw70k.example"),
        ("ex%61mple.com", "example.com"),
        ("%E2%98%95.example", "xn--53h.example"),
    ],
)
def test_names_are_read_as_browsers_do(host: str, name: str) -> None:
    assert parse_url(f"http://{host}/").raw_host.decode() == name, SAME
    assert str(parse_url(f"//user:p%40ss@{host}:8080/ü?q=☕#{host}")).startswith(f"//user:p%40ss@{name}:8080/%C3%BC?q=")
    assert read_target(f"tcp://{host}:25", "tcp", Port.NEEDED).host == name


@pytest.mark.parametrize(
    "host",
    ["عربي-.example", "א1a.example", "a\u200db.example", "\u200d.example", "👩\u200d💻.example", "\u0301a.example",
     "℀.example", "é%.com", "%zz.example", "%ff.example", "a%2fb.example", "a%00b.example", "a<b.example",
     "a^b.example", "a b.example", "[fe80::1%25eth0]", "\ud800.example"],
)  # fmt: skip
def test_names_that_browsers_refuse_are_refused(host: str) -> None:
    with pytest.raises(httpx.InvalidURL, match=r"host name is not valid|Invalid"):
        parse_url(f"http://{host}/")


@given(st.text(max_size=40))
def test_any_text_is_a_url_in_ascii_or_refused(text: str) -> None:
    try:
        url = parse_url(f"http://{text}")
    except httpx.InvalidURL:
        return
    assert url.raw_host.isascii()
    assert parse_url(str(url)).raw_host == url.raw_host
