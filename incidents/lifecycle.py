"""The statuses of an incident and the times that they set. Pure: times come in, times go out.

investigating → identified → monitoring → resolved. Any step may be skipped or reverted, because findings arrive in any
order. Resolved incidents can be reopened.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

INVESTIGATING, IDENTIFIED, MONITORING, RESOLVED = "investigating", "identified", "monitoring", "resolved"
ORDER = (INVESTIGATING, IDENTIFIED, MONITORING, RESOLVED)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The status of an incident, and when it reached each step."""

    status: str
    started_at: datetime
    identified_at: datetime | None = None
    resolved_at: datetime | None = None

    @property
    def duration_minutes(self) -> int | None:
        """Return whole minutes from start to end, rounded up as downtime is; None while it is open."""
        if self.resolved_at is None:
            return None
        return -((self.started_at - self.resolved_at) // MINUTE)


def moved(course: Course, status: str, now: datetime) -> Course:
    """Return the course after an update to this status at `now`; the same status again changes nothing.

    The cause counts as identified from the first status after `investigating`; going back reverts that. An incident
    that is resolved at once was never identified.
    """
    if status not in ORDER:
        raise ValueError(f"{status!r} is not a status of an incident")
    now = max(now, course.started_at)
    if status == RESOLVED:
        return replace(course, status=status, resolved_at=course.resolved_at or now)
    if status == INVESTIGATING:
        return replace(course, status=status, identified_at=None, resolved_at=None)
    return replace(course, status=status, identified_at=course.identified_at or now, resolved_at=None)


def begun(course: Course, started_at: datetime) -> Course:
    """Return the course with another start; no later step can be before it."""
    earliest = [at for at in (course.identified_at, course.resolved_at) if at is not None]
    if any(at < started_at for at in earliest):
        raise ValueError("an incident cannot start after it was identified or resolved")
    return replace(course, started_at=started_at)
