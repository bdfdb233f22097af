"""docs/compatibility.md says what the code does: each row of its tables is tried."""

import codecs
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.probes.http.answer import Answer, Reply
from monitoring.probes.http.charset import text_of
from monitoring.probes.http.cookies import Jar
from monitoring.probes.http.requests import next_step
from monitoring.probes.http.transport import reply
from monitoring.probes.net.timeline import Hop

DOCS = Path(__file__).parents[3] / "docs" / "compatibility.md"
NOW_S = 1_800_000_000.0
UNTRIED = ("Bodies without end", "Bounds")  # in words; `test_streams` and `test_answers` try them


def rows(section: str) -> list[list[str]]:
    return list(cells_of(section))


def cells_of(section: str) -> Iterator[list[str]]:
    """Yield the cells of all tables in a section, without their headings."""
    text = re.split(r"^## ", DOCS.read_text(), flags=re.MULTILINE)
    (found,) = [each for each in text if each.startswith(f"{section}\n")]
    for part in re.split(r"^### ", found, flags=re.MULTILINE):
        if not part.startswith(UNTRIED):
            for row in re.findall(r"^\| (.*) \|$", part, re.MULTILINE):
                cells = re.split(r"(?<!\\) \| ", row)
                if "---" not in cells and not any(cell.startswith("Chromium") for cell in cells):
                    yield [cell.replace("\\|", "|") for cell in cells]


def bytes_of(cell: str) -> bytes:
    """Return the bytes that a cell shows between backticks."""
    shown = re.fullmatch(r"(`+) ?(.*?) ?\1|(.*)", cell)
    assert shown is not None
    text = shown[2] if cell.startswith("``") else cell.strip("`")
    return codecs.escape_decode(text.replace("…", r"HTTP/1.1 200 OK\r\n").encode())[0]


def hop_of(url: str = "http://127.0.0.1:8000/") -> Hop:
    return Hop(url=url, host="", method="GET", started_at_ms=0, clock=time.perf_counter)


def outcome(pieces: list[bytes]) -> tuple[str, tuple[str, ...]]:
    """Return how an answer is judged that came in these pieces, and the remarks."""
    hop = hop_of()
    answer = Answer(hop, keep_body=True, follows=True)
    try:
        for piece in pieces:
            answer.feed(piece)
        answer.feed_eof()
        for words in answer.forgiven:
            hop.note(f"forgiven: {words}")
        reply(answer, httpx.URL(hop.url), hop)
    except httpx.HTTPError:
        return "refused", ()
    is_forgiven = any(remark.startswith("forgiven: ") for remark in hop.remarks)
    return "forgiven" if is_forgiven else "read", hop.remarks


@pytest.mark.parametrize("row", rows("Responses"), ids=lambda row: row[0])
def test_response_is_judged_as_documented(row: list[str]) -> None:
    data = bytes_of(row[0])

    whole, by_byte = outcome([data]), outcome([bytes([byte]) for byte in data])

    assert whole[0] == row[1], whole
    assert by_byte == whole


@pytest.mark.parametrize("row", rows("Redirects"), ids=lambda row: row[0])
def test_location_leads_where_documented(row: list[str]) -> None:
    location = bytes_of(row[0]).replace(b"PORT", b"8000")
    request = httpx.Request("GET", "http://127.0.0.1:8000/l/1")
    redirect = Reply(request.url, 302, [(b"Location", location)])

    try:
        step = next_step(request, redirect, hop_of())
    except httpx.RemoteProtocolError:
        step = None

    host = step[0].raw_host.decode().replace("127.0.0.1", "") if step else ""
    target = host + step[0].raw_path.decode().replace("8000", "PORT") if step else "–"
    assert target == row[1].strip("` ").replace("`` ", "")


@pytest.mark.parametrize("row", rows("Cookies"), ids=lambda row: f"{row[0]} {row[1]} {row[2]}")
def test_cookie_is_sent_where_documented(row: list[str]) -> None:
    first, lines, following, sent = row[:4]
    jar = Jar()

    jar.keep(httpx.URL(first.strip("`")), [bytes_of(line).strip() for line in lines.split("<br>")], NOW_S)

    assert jar.header(httpx.URL(following.strip("`")), NOW_S) == (b"" if sent == "–" else bytes_of(sent))


@pytest.mark.parametrize("row", rows("Character sets"), ids=lambda row: row[0])
def test_bytes_are_read_as_documented(row: list[str]) -> None:
    content = b"any" if row[1] == "any" else bytes_of(row[1])

    for label in re.findall(r"`([^`]*)`", row[0]):
        wanted = row[2].strip("`").encode().decode("unicode_escape") if "\\" in row[2] else row[2].strip("`")
        assert text_of(content, f"text/html; charset={label}") == wanted, label


PARTS = st.sampled_from(
    [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 x\r\n\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"Content-Length: 2\r\n",
     b"Content-Length : 2\n", b"Transfer-Encoding: chunked\r\n", b"Location: /a\r\n", b"2\r\nok\r\n", b"2 \nok\n",
     b"0\r\n\r\n", b"ok", b"x", b" y", b"\0", b"0", b";", b"A: b\r\n"]
)  # fmt: skip


@given(st.lists(PARTS, max_size=9), st.lists(st.integers(0, 120), max_size=5))
def test_pieces_that_bytes_come_in_make_no_difference(parts: list[bytes], cuts: list[int]) -> None:
    data = b"HTTP/1.1 200 OK\r\n" + b"".join(parts)
    ends = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[begin:end] for begin, end in pairwise(ends)]

    assert outcome(pieces) == outcome([data])


def test_nothing_is_documented_as_more_lenient_than_chromium() -> None:
    wrong = [row for row in rows("Responses") if row[1] != "refused" and row[2] == "error"]

    assert not wrong
