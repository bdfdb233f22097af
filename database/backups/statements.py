"""Split the SQL of a backup into statements, and refuse those that our backups never contain.

Statements run one by one through the extended protocol (`loading.py`), in which the server refuses a text of more than
one. So exactly the examined statements run: there is no psql whose commands or variables could change them. Rows are
data: after a COPY everything up to its end passes without examination.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from django.conf import settings

from database.backups.problem import BackupError

LONGEST = 1 << 24  # bytes of a statement or a comment; the manifest, a single comment, may have a million
MOST_CHARACTERS_SHOWN = 80  # characters of a statement in a message

# The parts of a statement. Possessive: a quote that is still open at the end of a chunk must not match in part.
PIECES = rb"""(?x:
    [^;'"$\\\-\w]++
  | --[^\n]*+\n
  | -(?!-)
  | [eE]'(?:[^'\\]|\\.|'')*+'
  | '(?:[^']|'')*+'
  | "(?:[^"]|"")*+"
  | \$(\w*)\$(?s:.*?)\$\1\$
  | \w[\w$]*+
)*+"""
STATEMENT = re.compile(PIECES + b";", re.DOTALL)
READABLE = re.compile(PIECES, re.DOTALL)
BLANK = re.compile(rb"(?:\s++|--[^\n]*+\n)*+")
BLANK_TO_END = re.compile(BLANK.pattern + rb"(?:--[^\n]*+)?")

IDENTIFIER = rb'(?:[a-z_][a-z0-9_$]*|"(?:[^"\\]|"")+")'
NAME = rb"public\." + IDENTIFIER
COPY = re.compile(rb"COPY %b \(%b(?:, %b)*\) FROM stdin;" % (NAME, IDENTIFIER, IDENTIFIER))
COPY_END = b"\n\\.\n"
FUNCTION = re.compile(
    rb"CREATE FUNCTION %b\(\) RETURNS trigger\s+LANGUAGE plpgsql\s+AS \$(\w*)\$(?P<body>.*)\$\1\$;" % NAME, re.DOTALL
)
# The monitor uses none; that of the containers is for people, and each server brings its own.
OF_THE_SERVER = re.compile(
    rb"CREATE EXTENSION IF NOT EXISTS pg_stat_statements WITH SCHEMA public;"
    rb"|COMMENT ON EXTENSION pg_stat_statements IS '[^';\\]*';"
)
EXACT = [
    rb"SET (?:statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout) = 0",
    rb"SET client_encoding = 'UTF8'",
    rb"SET standard_conforming_strings = on",
    rb"SET check_function_bodies = false",
    rb"SET xmloption = content",
    rb"SET client_min_messages = warning",
    rb"SET row_security = off",
    rb"SET default_tablespace = ''",
    rb"SET default_table_access_method = heap",
    rb"SELECT pg_catalog\.set_config\('search_path', '', false\)",
    rb"SELECT pg_catalog\.setval\('%b', \d+, (?:true|false)\)" % NAME.replace(b'[^"', b"[^'\""),
    rb"ALTER INDEX %b ATTACH PARTITION %b" % (NAME, NAME),
    rb"ALTER SEQUENCE %b OWNED BY %b\.%b" % (NAME, NAME, IDENTIFIER),
]
BEGINNINGS = [
    rb"CREATE TABLE %b \(" % NAME,
    rb"CREATE SEQUENCE %b\s" % NAME,
    rb"CREATE (?:UNIQUE )?INDEX %b ON (?:ONLY )?%b USING " % (IDENTIFIER, NAME),
    rb"CREATE STATISTICS %b " % NAME,
    rb"CREATE VIEW %b AS\s" % NAME,
    rb"CREATE (?:CONSTRAINT )?TRIGGER %b (?:BEFORE|AFTER) " % IDENTIFIER,
    rb"ALTER TABLE (?:ONLY )?%b\s+(?:ADD CONSTRAINT|ATTACH PARTITION|CLUSTER ON|REPLICA IDENTITY) " % NAME,
    rb"ALTER TABLE (?:ONLY )?%b ALTER COLUMN %b (?:ADD GENERATED|SET) " % (NAME, IDENTIFIER),
    rb"COMMENT ON (?:TABLE|COLUMN|INDEX|CONSTRAINT|SEQUENCE|VIEW|FUNCTION|TRIGGER|STATISTICS) ",
]
ALLOWED = re.compile(
    b"|".join([*(b"(?:%b);" % each for each in EXACT), *(b"(?:%b).*;" % each for each in BEGINNINGS)]), re.DOTALL
)


@dataclass(slots=True)
class Statement:
    """One allowed statement; read its rows before asking for the next statement."""

    text: bytes
    line: int  # of its SQL, from 1
    rows: Iterator[bytes] = field(default_factory=lambda: iter(()))

    @property
    def is_copy(self) -> bool:
        return self.text.startswith(b"COPY ")


def examine(chunks: Iterator[bytes], path: Path) -> None:
    """Read SQL to its end. Raises `BackupError` with the line and the statement that our backups never contain."""
    for statement in statements(chunks, path):
        for _ in statement.rows:
            pass


def statements(chunks: Iterator[bytes], path: Path) -> Iterator[Statement]:
    """Yield the statements to run. Raises `BackupError` at the first that our backups never contain."""
    reader = _Reader(chunks)
    while text := reader.statement():
        statement = Statement(text, reader.line)
        if COPY.fullmatch(text):
            statement.rows = reader.rows()
        elif OF_THE_SERVER.fullmatch(text):
            continue
        elif not _is_allowed(text):
            raise _refused(path, reader.line, text)
        yield statement
        for _ in statement.rows:
            pass
    if rest := reader.rest():
        raise _refused(path, reader.line, rest)


def _is_allowed(text: bytes) -> bool:
    if found := FUNCTION.fullmatch(text):
        return _squeezed(found["body"]) in _known_code()
    return ALLOWED.fullmatch(text) is not None


@cache
def _known_code() -> bytes:
    """Return the SQL of this release, which contains the body of every function of ours."""
    return b"\n".join(_squeezed(path.read_bytes()) for path in sorted(settings.BASE_DIR.glob("*/sql/*.sql")))


def _squeezed(code: bytes) -> bytes:
    return b" ".join(code.split())


def _refused(path: Path, line: int, text: bytes) -> BackupError:
    words = text[: 4 * MOST_CHARACTERS_SHOWN].decode(errors="replace").split("\n")[0].strip()
    shown = words if len(words) <= MOST_CHARACTERS_SHOWN else words[:MOST_CHARACTERS_SHOWN] + "…"
    return BackupError(
        f"{path} was not made by a release of this monitor, or was altered: line {line} of its SQL"
        f" is not part of any backup of ours: {shown!r}. None of it was run."
    )


class _Reader:
    """SQL that comes in chunks, taken from the front."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._buffer, self._at, self._newlines = chunks, b"", 0, 0
        self.line = 1  # where the last statement begins

    def statement(self) -> bytes | None:
        """Take all up to the next semicolon, without comments before it; None without a complete statement."""
        while True:
            self._take(_end(BLANK, self._buffer, self._at))
            self.line = self._newlines + 1
            if found := STATEMENT.match(self._buffer, self._at):
                return self._take(found.end())
            if len(self._buffer) - self._at > LONGEST or not self._more():
                return None

    def rows(self) -> Iterator[bytes]:
        """Take the rows of a COPY, and the line that ends them. Raises `BackupError` if it is missing."""
        is_at_line, first = True, True
        while self._at < len(self._buffer) or self._more():
            if first and self._take(self._at + 1) != b"\n":
                break
            first = False
            if is_at_line and self._buffer.startswith(COPY_END[1:], self._at):
                self._take(self._at + len(COPY_END) - 1)
                return
            if (end := self._buffer.find(COPY_END, self._at)) >= 0:
                yield self._take(end + 1)
                is_at_line = True
                continue
            # The end may lie across two chunks.
            if (safe := len(self._buffer) - len(COPY_END)) > self._at:
                data = self._take(safe)
                is_at_line = data.endswith(b"\n")
                yield data
            if not self._more():
                break
        raise BackupError(f"The rows that begin after line {self.line} of the SQL have no end. None of it was run.")

    def rest(self) -> bytes:
        """Return the unfinished statement, from its first unreadable line on; empty if only comments are left."""
        rest = self._buffer[self._at :]
        if not rest or BLANK_TO_END.fullmatch(rest):
            return b""
        stop = _end(READABLE, rest, 0)
        begin = rest.rfind(b"\n", 0, stop) + 1 if stop < len(rest) else 0
        self.line += rest.count(b"\n", 0, begin)
        return rest[begin:]

    def _take(self, end: int) -> bytes:
        taken = self._buffer[self._at : end]
        self._at = end
        self._newlines += taken.count(b"\n")
        return taken

    def _more(self) -> bool:
        """Read on, and return whether anything came."""
        chunk = next((chunk for chunk in self._chunks if chunk), b"")
        self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        return bool(chunk)


def _end(pattern: re.Pattern[bytes], text: bytes, at: int) -> int:
    """Return the end of a match of a pattern, which may be empty."""
    found = pattern.match(text, at)
    return found.end() if found else at
