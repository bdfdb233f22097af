"""Compare a complete HTTP answer with the operator's expectations."""

import json
from collections.abc import Iterable
from typing import Any

import httpx

from monitoring.probes.failures import bad, printable
from monitoring.probes.http import json_path
from monitoring.probes.http.answer import BODY_BYTES, Reply
from monitoring.probes.http.charset import text_of
from monitoring.probes.http.content_type import values_of
from monitoring.probes.http.http_settings import REDIRECT_CODES, Codes, FinalUrl, HttpSettings, JsonEquals
from monitoring.probes.http.json_query import Effort, TooCostly, equal
from monitoring.probes.http.requests import shown
from monitoring.probes.model import ErrorType, Finding, Verdict

ANY_SUCCESS: tuple[Codes, ...] = ((200, 299),)
OK = Finding(Verdict.OK)
ALL_THAT_IS_READ = f"the first {BODY_BYTES // 1024 // 1024} MiB of the body, which is all that is read"


def judge(reply: Reply, settings: HttpSettings) -> Finding:
    """Return the finding of the first unmet expectation."""
    if not settings.expects(reply.status_code):
        return bad(ErrorType.HTTP, _status_words(reply, settings))
    if settings.final_url is not None and not settings.final_url.is_met(reply.url):
        return bad(ErrorType.HTTP, _elsewhere_words(reply.url, settings.final_url))
    fault = _body_fault(reply, settings) if settings.wants_body else None
    if fault is not None:
        return bad(ErrorType.HTTP, fault)
    if settings.keyword_absent and reply.is_cut:
        return Finding(Verdict.OK, None, f"looked for what must be absent in {ALL_THAT_IS_READ}")
    return OK


def _elsewhere_words(url: httpx.URL, final_url: FinalUrl) -> str:
    wanted = " or ".join(final_url.wanted)
    where = {"host": f"host {wanted}", "prefix": f"an address that begins with {wanted}", "equals": wanted}
    return f"ended at {shown(str(url))}, not at {where[final_url.how]}"


def _status_words(reply: Reply, settings: HttpSettings) -> str:
    code = reply.status_code
    words = f"answered {code} {httpx.codes.get_reason_phrase(code)}".rstrip()
    if settings.expected_status != ANY_SUCCESS:
        words += f", not {_codes_words(settings.expected_status)}"
    if code in REDIRECT_CODES and not settings.follow_redirects:
        return words + "; redirects are not followed"
    if code in REDIRECT_CODES:
        return words + " without saying where to (no Location header)"
    return words


def _codes_words(expected: Iterable[Codes]) -> str:
    parts = []
    for low, high in expected:
        if low == high:
            parts.append(str(low))
        elif low % 100 == 0 and high == low + 99:
            parts.append(f"{low // 100}xx")
        else:
            parts.append(f"{low}–{high}")
    return " or ".join(parts)


def _body_fault(reply: Reply, settings: HttpSettings) -> str | None:
    text = text_of(reply.content, values_of(reply.headers))
    where = ALL_THAT_IS_READ if reply.is_cut else f"the body ({len(reply.content)} bytes)"
    for keyword in settings.keyword_present:
        if keyword not in text:
            return f"keyword {_quoted(keyword)} is not in {where}"
    for keyword in settings.keyword_absent:
        if keyword in text:
            return f"keyword {_quoted(keyword)} is in the body, where it must not be"
    return _json_fault(text, settings.json_equals, reply.is_cut) if settings.json_equals else None


def _json_fault(text: str, wanted: Iterable[JsonEquals], is_text_cut: bool) -> str | None:
    if is_text_cut:
        return f"body is too long to be read as JSON: more than {ALL_THAT_IS_READ.removeprefix('the first ')}"
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"body is not JSON: {_json_words(error)}"
    effort = Effort()
    for each in wanted:
        fault = _value_fault(document, each, effort)
        if fault is not None:
            return fault
    return None


def _value_fault(document: Any, wanted: JsonEquals, effort: Effort) -> str | None:
    path = printable(wanted.path, 200)
    try:
        found = json_path.find(document, wanted.query, effort)
    except json_path.NotThere as error:
        return f"JSON has no {path}: {error}"
    except TooCostly as error:
        return f"JSON is too large for {path}: {error}"
    for node in found:
        if not equal(node.obj, wanted.value):
            where = path if len(found) == 1 else printable(node.location)
            return f"JSON has {_shown(node.obj)} at {where}, not {_shown(wanted.value)}"
    return None


def _json_words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} in line {error.lineno}, column {error.colno}"
    return "it has a number of thousands of digits"


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return json_path.kind_of(value)
    return printable(json.dumps(value, ensure_ascii=False), 60)


def _quoted(text: str) -> str:
    return f'"{printable(text, 60)}"'
