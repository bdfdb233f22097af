"""Actions on services in the list. Each asks for confirmation and describes its effect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from monitoring.catalogue import lifecycle
from monitoring.models import Service

MOST_SERVICES_NAMED = 10  # services named in the question
CONFIRMED = "confirmed"

Words = Any  # text that is translated when shown
# (ids, user, reason) → number of services
Act = Callable[[Sequence[str], User, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The question to confirm before an action."""

    title: Words
    consequences: Sequence[Words]
    button: Words
    is_dangerous: bool = False
    asks_reason: bool = False


PAUSE = Question(
    title=gettext_lazy("Pause checks"),
    consequences=[
        gettext_lazy(
            "They will not be checked until somebody resumes them. Until then they are hidden from the public page."
        ),
        gettext_lazy("Time until then counts as paused: neither as uptime nor as downtime."),
    ],
    button=gettext_lazy("Pause"),
    asks_reason=True,
)
RESUME = Question(
    title=gettext_lazy("Resume checks"),
    consequences=[gettext_lazy("They will be checked again and shown on the public page.")],
    button=gettext_lazy("Resume"),
)
ARCHIVE = Question(
    title=gettext_lazy("Archive services"),
    consequences=[
        gettext_lazy("They will no longer be checked, and will be hidden from the public page immediately."),
        gettext_lazy("Nothing is deleted: checks, figures, incidents and the id are kept."),
        gettext_lazy("You can find them with the “Archived” filter and restore them."),
    ],
    button=gettext_lazy("Archive"),
    is_dangerous=True,
)
RESTORE = Question(
    title=gettext_lazy("Restore services"),
    consequences=[gettext_lazy("They will be checked again, with the same settings and history.")],
    button=gettext_lazy("Restore"),
)


def pause(ids: Sequence[str], who: User, reason: str) -> int:
    return lifecycle.pause(ids, author=who, reason=reason, now=timezone.now())


def resume(ids: Sequence[str], who: User, reason: str) -> int:
    return lifecycle.resume(ids, now=timezone.now())


def archive(ids: Sequence[str], who: User, reason: str) -> int:
    return lifecycle.archive(ids, now=timezone.now())


def restore(ids: Sequence[str], who: User, reason: str) -> int:
    return lifecycle.restore(ids, now=timezone.now())


def ask_or_do(
    request: HttpRequest, chosen: QuerySet[Service], context: dict[str, Any], question: Question, act: Act
) -> HttpResponse | None:
    """Show the question; once confirmed, act and return None, which leads back to the list."""
    reason = request.POST.get("reason", "").strip()
    is_confirmed = CONFIRMED in request.POST
    if is_confirmed and (reason or not question.asks_reason):
        assert isinstance(request.user, User)  # the admin requires a signed-in user
        _say_done(request, act(list(chosen.values_list("id", flat=True)), request.user, reason))
        return None
    context |= {
        **selection(request, chosen),
        "title": question.title,
        "question": question,
        "lacks_reason": is_confirmed,
    }
    return TemplateResponse(request, "admin/monitoring/service/decide.html", context)


def selection(request: HttpRequest, chosen: QuerySet[Service]) -> dict[str, Any]:
    """Return the names of some chosen services, their number, and what sends the same selection again.

    The same selection is made by the filters in the URL, or service by service. Two queries at most.
    """
    names = [str(service) for service in chosen.order_by("name")[: MOST_SERVICES_NAMED + 1]]
    count = chosen.count() if len(names) > MOST_SERVICES_NAMED else len(names)
    return {
        "names": names[:MOST_SERVICES_NAMED],
        "more": max(0, count - MOST_SERVICES_NAMED),
        "count": count,
        "action": request.POST["action"],
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "select_across": request.POST.get("select_across", "0"),
        "checkbox": ACTION_CHECKBOX_NAME,
    }


def _say_done(request: HttpRequest, count: int) -> None:
    if count:
        messages.success(request, _("Done. Services: %(count)d") % {"count": count})
    else:
        messages.info(request, _("No changes: the services were already in this state."))
