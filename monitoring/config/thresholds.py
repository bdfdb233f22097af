"""How the checks of one service become its status: the policy, and what somebody decided for this service."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from monitoring.config.check_settings import is_probed
from monitoring.rules.state import Policy

POLICY = Policy()
# A heartbeat that failed or did not come cannot be tried again in five seconds, and its deadline had a grace.
REPORTED = replace(POLICY, failure_threshold=1)


@lru_cache(maxsize=100)
def rules_of(failure_threshold: int | None, recovery_threshold: int | None, gap_factor: Decimal | None) -> Policy:
    """Return the rules of a stored version, the built-in ones where no version of the policy is in force."""
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
    """Return the policy of a service; None stands for what the rules say, or the kind."""
    usual = rules.failure_threshold if is_probed(kind) else REPORTED.failure_threshold
    return replace(
        rules,
        failure_threshold=failure_threshold or usual,
        recovery_threshold=recovery_threshold or rules.recovery_threshold,
    )


@lru_cache(maxsize=101)
def weighing(percent: int) -> Policy:
    """Return rules under which partial time counts as up by a share; enough to figure seconds that are accounted."""
    return replace(POLICY, partial_weight_percent=percent)
