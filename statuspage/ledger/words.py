"""Say kinds, causes and rules in words, in the active language."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from monitoring.ledger import Entry, Why
from monitoring.models import AccountingPolicy
from monitoring.probes.model import ErrorType
from monitoring.sla import Kind
from monitoring.state import Policy
from monitoring.terms import Terms

TONES = {
    Kind.OPERATIONAL: "ok",
    Kind.PARTIAL: "partial",
    Kind.DOWN: "major",
    Kind.UNKNOWN: "nodata",
    Kind.MAINTENANCE: "info",
    Kind.PAUSED: "nodata",
    Kind.EMPTY: "nodata",
}


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
    """Say why an interval counts as it does; empty where its kind says it all."""
    if entry.why is Why.RESTATED:
        return _("restated after a review")
    if entry.why is Why.BLIND:
        return _("our own network failed, so nobody is blamed")
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
        yield _("This service has other thresholds than the policy; these are its own:")
    yield from policy_words(terms.version, terms.rules)


def policy_words(policy: AccountingPolicy, rules: Policy) -> Iterator[str]:
    """Yield the rules of a policy version, one sentence each; the thresholds are those of `rules`."""
    if (count := rules.failure_threshold) == 1:
        yield _("A single failed check makes a service down, from that check on.")
    else:
        many = _("%(count)d failed checks in a row make a service down, and then from the first of them on.")
        yield many % {"count": count}
    if (count := rules.recovery_threshold) == 1:
        yield _("The first good check ends an outage.")
    else:
        many = _("%(count)d good checks in a row end an outage, and then from the first of them on.")
        yield many % {"count": count}
    yield _("A check speaks for at most %(factor)s intervals; time after that counts as not measured.") % {
        "factor": f"{policy.gap_factor.normalize():f}"
    }
    yield _("%(percent)d %% of degraded time counts as up.") % {"percent": policy.partial_weight_percent}
    if policy.counts_maintenance:
        yield _("Maintenance is counted like any other time.")
    else:
        yield _("Maintenance counts neither as up nor as down.")
    yield _("A day with downtime is a partial outage; below %(percent)s %% uptime it is a major one.") % {
        "percent": policy.major_below
    }
    yield _("Time that was not measured, paused or before the service existed counts neither as up nor as down.")
    yield _("Uptime is seconds up divided by seconds up and down; percentages are floored, never rounded up.")
