"""The steps of an occurrence, each told once: in the log, on the page, and to whoever registers."""

from collections.abc import Callable
from enum import StrEnum

from database import changes
from incidents.models import MaintenanceOccurrence
from observability.events import Action, Subject, tell_when_committed


class Step(StrEnum):
    ANNOUNCED = "announced"
    BEGUN = "begun"
    EXTENDED = "extended"
    OVERRAN = "overran"  # its planned end passed, and a person ends it
    ENDED = "ended"
    ENDED_WHILE_DOWN = "ended_while_down"
    CANCELLED = "cancelled"
    UPDATED = "updated"  # an update was written


ACTIONS = {
    Step.ANNOUNCED: Action.CREATED,
    Step.BEGUN: Action.STARTED,
    Step.EXTENDED: Action.PROGRESS,
    Step.OVERRAN: Action.PROGRESS,
    Step.ENDED: Action.COMPLETED,
    Step.ENDED_WHILE_DOWN: Action.COMPLETED,
    Step.CANCELLED: Action.CANCELLED,
    Step.UPDATED: Action.UPDATED,
}
Reader = Callable[[MaintenanceOccurrence, Step], None]
_readers: list[Reader] = []


def register_reader(reader: Reader) -> None:
    """Register a function that is called with each step, in its transaction: it may leave rows, and must be fast."""
    _readers.append(reader)


def tell(occurrence: MaintenanceOccurrence, step: Step) -> None:
    """Tell about a step, once its transaction is committed. Call it in the transaction that stores the step."""
    for reader in _readers:
        reader(occurrence, step)
    changes.bump("page")
    tell_when_committed(Subject.MAINTENANCE, ACTIONS[step], [occurrence.pk], step=str(step))
