"""The time from the start of an incident to its first public update that each priority allows. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

RESPONSE_TARGETS = {
    "P1": timedelta(minutes=15),
    "P2": timedelta(hours=1),
    "P3": timedelta(hours=4),
    "P4": timedelta(hours=24),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """How an incident stands against its response target."""

    due_at: datetime
    first_update_at: datetime | None  # None: customers were told nothing yet
    is_missed: bool

    def left(self, now: datetime) -> timedelta:
        """Return the time left until the target; negative once it is missed, as of the first update if there is one."""
        return self.due_at - (self.first_update_at or now)


def response_of(
    priority: str, started_at: datetime, first_update_at: datetime | None, resolved_at: datetime | None, now: datetime
) -> Response:
    """Compare an incident with the target of its priority.

    An incident that was resolved in time without any public update met it: there was nothing left to tell.
    """
    due_at = started_at + RESPONSE_TARGETS[priority]
    told_at = first_update_at or resolved_at or now
    return Response(due_at=due_at, first_update_at=first_update_at, is_missed=told_at > due_at)
