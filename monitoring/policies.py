"""How the checks of one service become its status: the policy, and what somebody decided for this service."""

from dataclasses import replace
from functools import lru_cache

from monitoring.check_settings import is_probed
from monitoring.state import Policy

POLICY = Policy()
# A heartbeat that failed or did not come cannot be tried again in five seconds, and its deadline had a grace.
REPORTED = replace(POLICY, failure_threshold=1)


@lru_cache(maxsize=1000)
def policy_for(kind: str, failure_threshold: int | None, recovery_threshold: int | None) -> Policy:
    """Return the policy of a service; None stands for the default of its kind."""
    default = POLICY if is_probed(kind) else REPORTED
    return replace(
        default,
        failure_threshold=failure_threshold or default.failure_threshold,
        recovery_threshold=recovery_threshold or default.recovery_threshold,
    )
