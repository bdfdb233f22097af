"""Combine an accounting policy with the thresholds of one service."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from monitoring.config.check_settings import is_probed
from monitoring.rules.state import Policy

POLICY = Policy()
# A failed or missing heartbeat cannot be rechecked after five seconds, and its deadline included a grace.
REPORTED = replace(POLICY, failure_threshold=1)


@lru_cache(maxsize=100)
def rules_of(failure_threshold: int | None, recovery_threshold: int | None, gap_factor: Decimal | None) -> Policy:
    """Return the rules of a stored version, or the built-in ones if no version of the policy is in force."""
    if failure_threshold is None or recovery_threshold is None or gap_factor is None:
        return POLICY
    return replace(
        POLICY,
        failure_threshold=failure_threshold,
        recovery_threshold=recovery_threshold,
        gap_factor=Fraction(gap_factor),
    )


@lru_cache(maxsize=1000)
def policy_for(
    kind: str, failure_threshold: int | None, recovery_threshold: int | None, rules: Policy = POLICY
) -> Policy:
    """Return the policy of a service; a threshold of None is taken from the rules, or from the kind."""
    usual = rules.failure_threshold if is_probed(kind) else REPORTED.failure_threshold
    return replace(
        rules,
        failure_threshold=failure_threshold or usual,
        recovery_threshold=recovery_threshold or rules.recovery_threshold,
    )


@lru_cache(maxsize=101)
def weighing(percent: int) -> Policy:
    """Return rules with only the weight of partial time, which suffice to compute figures from accounted seconds."""
    return replace(POLICY, partial_weight_percent=percent)
