"""The push URLs of heartbeats: holders of a token report without signing in."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from monitoring.config import clock
from monitoring.engine.heartbeats import MESSAGE_LENGTH, Answer, Report, ping

BODY_BYTES = 10_000  # the rest is not read
HIGHEST_EXIT_CODE = 255
ANSWERS = {Answer.TAKEN: (200, "OK\n"), Answer.UNKNOWN: (404, "not found\n"), Answer.TOO_OFTEN: (429, "too often\n")}


@login_not_required
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def heartbeat(request: HttpRequest, token: str, word: str = "", exit_code: int = 0) -> HttpResponse:
    report = Report(
        has_started=word == "start",
        has_failed=word == "fail" or exit_code != 0,
        exit_code=exit_code or None,
        message=_message(request),
    )
    answer = Answer.UNKNOWN if exit_code > HIGHEST_EXIT_CODE else ping(token, report, clock.now())
    status, text = ANSWERS[answer]
    return HttpResponse(
        text, status=status, content_type="text/plain", headers={"Retry-After": "1"} if status == 429 else {}
    )


heartbeat.asks_nobody = True  # type: ignore[attr-defined]  # its token is in the address; no other one is checked


def _message(request: HttpRequest) -> str:
    """Return the beginning of the body as one line of text."""
    text = request.read(BODY_BYTES).decode("utf-8", errors="replace")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:MESSAGE_LENGTH]
