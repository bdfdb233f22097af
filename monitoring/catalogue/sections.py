"""Further lists in a services file, which other apps read and write next to `services:`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import yaml

from monitoring.catalogue.planned import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionOutcome:
    """The items of a section that were changed, or would be, by id."""

    key: str
    created: Sequence[str] = ()
    updated: Mapping[str, Sequence[str]]  # the differences in words
    unchanged: int = 0
    removed: Sequence[str] = ()
    warnings: Sequence[Problem] = ()

    @property
    def has_changes(self) -> bool:
        return bool(self.created or self.updated or self.removed)

    def __str__(self) -> str:
        counts = f"{len(self.created)} created, {len(self.updated)} updated, {len(self.removed)} removed"
        return f"{self.key}: {counts}, {self.unchanged} unchanged"


class Section(Protocol):
    """A list with a key of its own."""

    key: str

    def read(self, items: Sequence[yaml.Node], problems: list[Problem]) -> Any:
        """Return what the items say, and add their problems; without queries."""

    def apply(self, wanted: Any, *, prune: bool, now: datetime) -> SectionOutcome:
        """Change what is stored, in the transaction that has changed the services. Raises `Refused`."""

    def export(self) -> Iterator[str]:
        """Yield the text of the list, with its key; nothing if it is empty."""


sections: dict[str, Section] = {}


def register_section(section: Section) -> None:
    sections[section.key] = section
