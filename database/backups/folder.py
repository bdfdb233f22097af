"""The folder of backups: names, ages, and the closed days that each backup names.

`index.json` is a cache of results that would otherwise be computed again. Without it, closed days are summed up again,
and existing files are kept.
"""

import json
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from database.backups import container
from database.backups.manifest import Content, Kind
from database.backups.problem import BackupError

NAME = "sla_monitor_{:%Y%m%d_%H%M%S}.sql.gz"
FILE_NAME = re.compile(r"sla_monitor_(\d{8}_\d{6})\.sql\.gz(\.age)?")
SEALED = ".age"


@dataclass(slots=True, kw_only=True)
class RawDay:
    """The properties of the newest file of a closed partition."""

    file: str
    signature: str  # of the partition when it was read
    content: Content
    proven_at: str | None = None  # when a restore of this file was last compared


@dataclass(slots=True, kw_only=True)
class Written:
    """The properties of a backup that are known without reading it; it may be encrypted for others."""

    kind: Kind
    raw_files: list[str]


@dataclass(slots=True, kw_only=True)
class Index:
    """The content of `index.json`."""

    days: dict[str, RawDay] = field(default_factory=dict)  # by the name of the partition
    backups: dict[str, Written] = field(default_factory=dict)  # by the name of the file


class Folder:
    """A folder of backups, with the closed days in `raw/` below it."""

    def __init__(self, path: Path) -> None:
        self.path, self.raw = path, path / "raw"

    def name_at(self, taken_at: datetime, *, is_sealed: bool) -> Path:
        """Return the first free name from an instant (in UTC) on: two backups in one second are two files."""
        while (path := self.path / (NAME.format(taken_at.astimezone(UTC)) + SEALED * is_sealed)).exists():
            taken_at += timedelta(seconds=1)
        return path

    def backups(self) -> list[Path]:
        """Return the backups here, oldest first."""
        return sorted(path for path in self.path.glob("sla_monitor_*") if FILE_NAME.fullmatch(path.name))

    def newest_restorable(self) -> Path | None:
        """Return the newest backup with the data of all tables."""
        index = self.index()
        for path in reversed(self.backups()):
            about = self._about(path, index)
            if about is None or about.kind in (Kind.WHOLE, Kind.WITHOUT_RAW):
                return path
        return None

    def index(self) -> Index:
        """Read the index; closed days whose files are gone are not in it."""
        try:
            read = json.loads((self.raw / "index.json").read_text())
            days = {name: RawDay(**{**day, "content": Content(**day["content"])}) for name, day in read["days"].items()}
            backups = {name: Written(**{**each, "kind": Kind(each["kind"])}) for name, each in read["backups"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Index()
        return Index(days={name: day for name, day in days.items() if (self.raw / day.file).exists()}, backups=backups)

    def remember(self, index: Index) -> None:
        """Replace the index."""
        with container.written(self.raw / "index.json") as file:
            file.write(json.dumps(asdict(index), indent=1).encode())

    def delete_old(self, now: datetime, kept_days: int) -> list[Path]:
        """Delete older backups, but never the newest, and closed days that no remaining backup names.

        Return the deleted files.
        """
        newest = self.newest_restorable()
        old = [path for path in self.backups() if path != newest and taken_at(path) < now - timedelta(days=kept_days)]
        kept = [path for path in self.backups() if path not in old]
        index = self.index()
        deleted = [*old, *self._unnamed(kept, index)]
        for path in deleted:
            path.unlink(missing_ok=True)
        names = {path.name for path in kept}
        self.remember(
            Index(days=index.days, backups={name: each for name, each in index.backups.items() if name in names})
        )
        return deleted

    def _unnamed(self, kept: Collection[Path], index: Index) -> list[Path]:
        named = {day.file for day in index.days.values()}
        for path in kept:
            about = self._about(path, index)
            if about is None:
                return []  # it can't be read here, so the days that it needs are unknown
            named.update(about.raw_files)
        return [path for path in self.raw.glob("*.sql.gz*") if path.name not in named]

    def _about(self, path: Path, index: Index) -> Written | None:
        if path.name in index.backups:
            return index.backups[path.name]
        with suppress(BackupError):
            manifest = container.head(path)
            return Written(kind=manifest.kind, raw_files=[each.file for each in manifest.raw_files])
        return None


def taken_at(path: Path) -> datetime:
    """Return when a backup was taken, by its name."""
    found = FILE_NAME.fullmatch(path.name)
    assert found is not None
    return datetime.strptime(found[1], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
