"""One check while the user waits, as the admin shows it: its phases, requests, certificates and verdict."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from monitoring.admin_site import phases, signs
from monitoring.engine.check_now import TooManyChecks, check_on_request
from monitoring.models import Service
from monitoring.probes.failures import NoNameServer, NotAllowed, NotKnown
from monitoring.probes.model import MeasuredRequest, Phases
from monitoring.probes.net.certificates import DAY_S
from monitoring.rules.unix_time import from_ms


def tried(service: Service) -> dict[str, Any]:
    """Check a service and return the context of `_attempt.html`. Stores nothing, so the service may be unsaved."""
    if not service.check_kind.is_active:
        return {"is_passive": True}
    try:
        return _shown(service)
    except NotAllowed as error:
        return {"refused": str(error)}
    except NoNameServer as error:
        return {"unresolved": str(error)}
    except NotKnown as error:
        return {"not_known": str(error)}
    except TooManyChecks:
        return {"is_busy": _("Too many checks are running on request. Try again in a moment.")}


def _shown(service: Service) -> dict[str, Any]:
    attempt = check_on_request(service, timezone.now())
    result = attempt.result
    longest = max([result.phases.total_ms, *(request.phases.total_ms for request in result.requests)])
    hops = [(request, _bar(request.phases, longest), _certificate(request)) for request in result.requests]
    return {
        "attempt": attempt,
        "sign": signs.verdict_sign(result.verdict),
        "hops": hops,
        "whole": _bar(result.phases, longest),
        "names": phases.NAMES,
        "is_shortened": attempt.timeout_ms < service.timeout,
    }


def _certificate(request: MeasuredRequest) -> dict[str, Any] | None:
    """Return when the first certificate of a request expires, and the whole days until then."""
    if request.certificate_ends_at_s is None:
        return None
    left_s = request.certificate_ends_at_s - request.started_at_ms // 1000
    return {"ends_at": from_ms(request.certificate_ends_at_s * 1000), "days": left_s // DAY_S}


def _bar(found: Phases, longest_ms: float) -> phases.Bar:
    times = (found.dns_ms, found.connect_ms, found.tls_ms, found.first_byte_ms)
    return phases.bar(times, found.total_ms, longest_ms)
