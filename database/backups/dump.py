"""Run pg_dump on a snapshot, and adapt its output for our way of loading."""

import re
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from database.backups.container import CHUNK
from database.backups.problem import BackupError
from database.backups.programs import Programs
from database.backups.server import Server

# Behind another session's long DDL we would wait, and inserts would wait behind us.
OPTIONS = ("--no-owner", "--no-privileges", "--no-password", "--lock-wait-timeout=10s", "--encoding=UTF8")
# The first is psql's, and we load without it (`loading.py`). Only servers from 17 on understand the other line, and
# newer programs write it for an older server, too.
ONLY_SOMETIMES = re.compile(rb"^(\\(un)?restrict .*|SET transaction_timeout = 0;)\n", re.MULTILINE)
TAIL_BYTES = 4096  # pg_dump's own last lines are within this part of the end
FOREIGN_KEY = re.compile(
    r"ALTER TABLE ONLY \S+\s+ADD CONSTRAINT \S+ FOREIGN KEY \([^;]*?\) REFERENCES (?P<table>[^;(]+)\([^;]*;\n"
)
# The server writes each on one line.
TRIGGER = re.compile(r"^CREATE (?:CONSTRAINT )?TRIGGER .*;\n", re.MULTILINE)


class Vanished(BackupError):
    """A table was dropped or rebuilt between the snapshot and pg_dump's locks; the next attempt succeeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dumper:
    """pg_dump on one snapshot of one database."""

    server: Server
    programs: Programs
    snapshot: str

    def schema(self, section: str, tables: Collection[str] = ()) -> bytes:
        """Return the SQL of `pre-data` or `post-data`; of some tables only, without statements that need others."""
        with self._output("--section", section, *(f"--table={name}" for name in tables)) as output:
            text = ONLY_SOMETIMES.sub(b"", output.read())
        return standing_alone(text.decode(), tables).encode() if tables else text

    def rows(self, *, only: Collection[str] = (), without: Collection[str] = ()) -> Iterator[bytes]:
        """Yield the rows as COPY statements; locks only the tables that they are read from."""
        chosen = [*(f"--table={name}" for name in only), *(f"--exclude-table={name}" for name in without)]
        with self._output("--section", "data", *chosen) as output:
            yield from cleaned(iter(lambda: output.read(CHUNK), b""))

    @contextmanager
    def _output(self, *options: str) -> Iterator[IO[bytes]]:
        command = [self.programs.pg_dump, *OPTIONS, f"--snapshot={self.snapshot}", *options]
        env = self.server.environment(LC_ALL="C")
        with tempfile.TemporaryFile() as errors:
            with subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            ) as process:
                assert process.stdout is not None
                try:
                    yield process.stdout
                except BaseException:
                    process.kill()
                    raise
            errors.seek(0)
            if process.returncode != 0:
                raise _problem(errors.read().decode(errors="replace").strip())


def cleaned(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Remove pg_dump's own lines from the head and the tail of its output, and never from the rows between."""
    first = next(chunks, b"")  # contains the whole head: chunks are filled before they are passed on
    head, copy, kept = first.partition(b"\nCOPY ")
    kept = ONLY_SOMETIMES.sub(b"", head + b"\n")[:-1] + copy + kept
    for chunk in chunks:
        yield kept[:-TAIL_BYTES]
        kept = kept[-TAIL_BYTES:] + chunk
    last = kept.rfind(b"\n\\unrestrict ")
    yield kept if last < 0 else kept[: last + 1]


def standing_alone(sql: str, tables: Collection[str]) -> str:
    """Remove triggers, whose functions belong to no table, and foreign keys to tables that are not among these."""
    return FOREIGN_KEY.sub(lambda found: found[0] if found["table"].strip() in tables else "", TRIGGER.sub("", sql))


def _problem(words: str) -> BackupError:
    lines: Sequence[str] = [line for line in words.splitlines() if "error:" in line] or words.splitlines()[-3:]
    told = "; ".join(line.removeprefix("pg_dump: error: ") for line in lines)
    is_passing = "does not exist" in told or "could not open relation" in told or "cache lookup failed" in told
    return (Vanished if is_passing else BackupError)(
        f"pg_dump could not read the database: {told}. The partial files were deleted."
    )
