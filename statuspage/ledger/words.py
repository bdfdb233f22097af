"""Describe kinds, causes and rules in words, in the active language."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from monitoring.accounting.ledger import Entry, LateEntry, Why
from monitoring.models import AccountingPolicy
from monitoring.models.policies import LateMaintenance
from monitoring.probes.model import ErrorType
from monitoring.rules.edges import Bounds
from monitoring.rules.sla import Kind
from monitoring.rules.state import Policy
from monitoring.states.terms import Terms
from monitoring.words.durations import whole


def kind_words(kind: Kind) -> str:
    return {
        Kind.OPERATIONAL: _("Operational"),
        Kind.PARTIAL: _("Degraded"),
        Kind.DOWN: _("Down"),
        Kind.UNKNOWN: _("Not measured"),
        Kind.MAINTENANCE: _("Maintenance"),
        Kind.PAUSED: _("Paused"),
        Kind.EMPTY: _("Not yet monitored"),
    }[kind]


def cause_words(entry: Entry) -> str:
    """Return why an interval counts as it does; empty if its kind says enough."""
    if entry.why is Why.RESTATED:
        return _("restated after a review")
    if entry.why is Why.ENTERED_LATE:
        return _("entered too late to be announced")
    if entry.why is Why.BLIND:
        return _("our own network failed; not counted as downtime")
    if entry.why is Why.NO_CHECKS:
        return _("no check arrived")
    words: dict[str, str] = {
        ErrorType.TIMEOUT: _("no answer in time"),
        ErrorType.CONNECTION: _("connection failed"),
        ErrorType.HTTP: _("answered with an error"),
        ErrorType.DNS: _("name could not be resolved"),
    }
    return words.get(entry.error_type, "")


def terms_words(terms: Terms) -> Iterator[str]:
    """Yield the rules that held for a service, one sentence each."""
    if terms.has_own_thresholds:
        yield _("This service has its own thresholds, which differ from the policy:")
    yield from policy_words(terms.version, terms.rules)


def change_words() -> str:
    return _("The rules of this service were changed today. The new rules apply to figures from tomorrow on.")


def _notice_words(policy: AccountingPolicy) -> Iterator[str]:
    if hours := policy.maintenance_notice_hours:
        announced = _("Maintenance counts as announced if it was entered at least %(hours)d hours before it begins.")
        yield announced % {"hours": hours}
    else:
        yield _("Maintenance counts as announced only for the time after it was entered.")
    if policy.late_maintenance == LateMaintenance.COUNT:
        yield _("Maintenance and pauses entered or changed later are accounted as measured.")
    else:
        yield _("Maintenance and pauses entered or changed later are excluded, and the ledger shows both figures.")


def late_words(entry: LateEntry) -> str:
    """Return what was entered too late, and its effect on the figures."""
    kind = kind_words(entry.kind)
    if entry.is_withdrawn:
        words = (
            _("%(kind)s, withdrawn afterwards")
            if not entry.is_counted
            else _("%(kind)s, withdrawn too late and still counted as such")
        )
    elif entry.is_counted:
        words = _("%(kind)s, entered too late and not counted")
    else:
        words = _("%(kind)s, entered too late to be announced")
    return words % {"kind": kind}


def bounds_words(seconds: int, bounds: Bounds | None) -> str:
    """Return the bounds of downtime in words; empty if they are close enough to it."""
    if bounds is None or 10 * (bounds.at_most_s - bounds.at_least_s) <= seconds:
        return ""
    return _("at least %(least)s and at most %(most)s") % {
        "least": whole(bounds.at_least_s),
        "most": whole(bounds.at_most_s),
    }


def policy_words(policy: AccountingPolicy, rules: Policy) -> Iterator[str]:
    """Yield the rules of a policy version, one sentence each; the thresholds are those of `rules`."""
    if (count := rules.failure_threshold) == 1:
        yield _("A service is down from its first failed check.")
    else:
        many = _("A service is down after %(count)d failed checks in a row, counted from the first of them.")
        yield many % {"count": count}
    if (count := rules.recovery_threshold) == 1:
        yield _("The first good check ends an outage.")
    else:
        many = _("An outage ends after %(count)d good checks in a row, counted from the first of them.")
        yield many % {"count": count}
    yield _("A check is valid for at most %(factor)s intervals; later time counts as not measured.") % {
        "factor": f"{policy.gap_factor.normalize():f}"
    }
    yield _("%(percent)d %% of degraded time counts as up.") % {"percent": policy.partial_weight_percent}
    if policy.counts_maintenance:
        yield _("Maintenance is counted like any other time.")
    else:
        yield _("Maintenance counts neither as up nor as down.")
        yield from _notice_words(policy)
    yield _("A day with downtime is a partial outage; below %(percent)s %% uptime it is a major one.") % {
        "percent": policy.major_below
    }
    yield _("Time that was not measured, paused or before the service existed counts neither as up nor as down.")
    yield _("Uptime is seconds up divided by seconds up and down; percentages are always rounded down.")
