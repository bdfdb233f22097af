"""The head of a backup: its database, its schema, and the number and checksum of the rows of each table."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from database.backups.problem import BackupError

FORMAT = 2  # 2: the seal is signed
FIRST_WORDS = b"-- Backup of SLA Monitor"
FILE = re.compile(r"\w[\w.-]*")  # of a closed day: attackers who can write to the copies must not choose where we write


class Kind(StrEnum):
    """The part of a database that a file contains."""

    WHOLE = "whole"  # everything; it names the separate files of closed raw days
    WITHOUT_RAW = "without-raw"
    SCHEMA = "schema"
    TABLES = "tables"
    RAW_DAY = "raw-day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The rows of a table, in any order."""

    rows: int
    checksum: str  # 64 bits in hexadecimal; the sum of the rows' hashes (`contents.py`)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """A closed partition and the file that holds its rows."""

    table: str
    file: str  # a name within the folder of raw days
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The first lines of a backup."""

    kind: Kind
    taken_at: datetime  # of the snapshot
    database: str
    server_major: int  # of PostgreSQL; an older one can't load it
    migrations: Sequence[str]  # `app.name`, applied to the database
    tables: Mapping[str, Content]  # those whose rows are in this file
    raw_files: Sequence[RawFile] = ()
    sql_bytes: int = 0  # approximate size of the following SQL, for progress

    def head(self) -> bytes:
        """Return the lines, which are comments to psql."""
        return b"".join(
            (
                FIRST_WORDS + b". Restore it with: manage.py restore FILE\n",
                b"-- " + json.dumps({"format": FORMAT, **asdict(self)}, default=str).encode() + b"\n\n",
            )
        )


def read(head: bytes) -> Manifest:
    """Parse the lines. Raises `BackupError` for a file that isn't ours or has a newer format."""
    if not head.startswith(FIRST_WORDS):
        raise BackupError("it is readable, but it is not a backup of this monitor.")
    try:
        values = json.loads(head.split(b"\n")[1].removeprefix(b"-- "))
        if values.pop("format") > FORMAT:
            raise BackupError("it was written by a newer release. Update this installation first.")
        return _manifest(values)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise BackupError("its first lines are damaged.") from error


def _manifest(values: dict[str, object]) -> Manifest:
    tables: dict[str, dict[str, object]] = values.pop("tables")  # type: ignore[assignment]
    raw_files: list[dict[str, Any]] = values.pop("raw_files")  # type: ignore[assignment]
    return Manifest(
        **{
            **values,
            "kind": Kind(str(values["kind"])),
            "taken_at": datetime.fromisoformat(str(values["taken_at"])),
            "tables": {name: Content(**content) for name, content in tables.items()},  # type: ignore[arg-type]
            "raw_files": [_raw_file(each) for each in raw_files],
        }
    )


def _raw_file(values: dict[str, Any]) -> RawFile:
    """Parse the name of the file of a closed day. Raises ValueError for a name that leads out of the folder."""
    found = RawFile(**{**values, "content": Content(**values["content"])})
    if not FILE.fullmatch(found.file):
        raise ValueError(f"{found.file!r} is not a file name")
    return found
