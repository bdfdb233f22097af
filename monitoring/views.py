"""The push URLs of heartbeats: holders of a token report without signing in."""

import re

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from monitoring.config import clock
from monitoring.engine.heartbeats import MESSAGE_LENGTH, Answer, Report, note, ping

BODY_BYTES = 10_000  # the rest is not read
EXIT_CODES = range(-(2**31), 2**32)  # of Windows, signed or not; others have 0 to 255
LONGEST_TOOK_MS = 2**31 - 1
ANSWERS = {Answer.TAKEN: (200, "OK\n"), Answer.UNKNOWN: (404, "not found\n"), Answer.TOO_OFTEN: (429, "too often\n")}
RUN_ID = re.compile(r"[A-Za-z0-9._-]{0,64}", re.ASCII)


class ExitCodeConverter:
    regex = "-?[0-9]{1,10}"

    def to_python(self, value: str) -> int:
        if int(value) not in EXIT_CODES:
            raise ValueError(f"{value} is no exit code")
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


@login_not_required
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def heartbeat(request: HttpRequest, token: str, word: str = "", exit_code: int | None = None) -> HttpResponse:
    """Take a ping of our own addresses, of Healthchecks' or of Uptime Kuma's: path and query say how the job went."""
    run_id, status = request.GET.get("rid", ""), request.GET.get("status") or "up"
    if not RUN_ID.fullmatch(run_id):
        return _answer(400, "rid: use up to 64 letters, digits, dots, hyphens and underscores, such as a UUID\n")
    message = _message(request)
    if word == "log":
        return _answer(*ANSWERS[note(token, message)])
    report = Report(
        has_started=word == "start",
        has_failed=word == "fail" or bool(exit_code) or status != "up",  # as for Uptime Kuma
        exit_code=exit_code or None,
        message=message,
        run_id=run_id,
        took_ms=_took_ms(request.GET.get("ping", "")),
    )
    return _answer(*ANSWERS[ping(token, report, clock.now())])


heartbeat.asks_nobody = True  # type: ignore[attr-defined]  # its token is in the address; no other one is checked


@login_not_required
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def push(request: HttpRequest, token: str) -> HttpResponse:
    """Take a ping in the form of Uptime Kuma, with its answer."""
    answer = heartbeat(request, token)
    if answer.status_code != 200:
        return answer
    return HttpResponse('{"ok":true}', content_type="application/json")


push.asks_nobody = True  # type: ignore[attr-defined]  # as above


def _answer(status: int, text: str) -> HttpResponse:
    headers = {"Retry-After": "1"} if status == 429 else {}
    return HttpResponse(text, status=status, content_type="text/plain", headers=headers)


def _took_ms(text: str) -> float | None:
    """Return the duration that the job measured itself; None for other text."""
    try:
        return float(text) if 0 <= float(text) <= LONGEST_TOOK_MS else None
    except ValueError:
        return None


def _message(request: HttpRequest) -> str:
    """Return the beginning of the body, or `msg` of the query, as one line of text."""
    text = request.read(BODY_BYTES).decode("utf-8", errors="replace") or request.GET.get("msg", "")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:MESSAGE_LENGTH]
