"""Propose how severe an incident is, and how soon somebody must respond. Pure.

- critical, P1: a critical service is down, or half or more of all services; then the overall status is an outage
- high, P2: ten or more services, or two or more that are at least a tenth of all
- medium, P3: anything else
"""

MANY, SHARE = 10, 10


def urgency(*, down: int, monitored: int, is_critical: bool) -> tuple[str, str]:
    """Return severity and priority of an incident with this number of services."""
    if is_critical or 2 * down >= monitored:
        return "critical", "P1"
    if down >= MANY or (down > 1 and SHARE * down >= monitored):
        return "high", "P2"
    return "medium", "P3"
