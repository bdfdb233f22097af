"""Estimate what it costs to read a DNS message, before it is read: a hostile one of 4 KB would delay all other probes.

Reading takes about 10 µs for each label of a name and each part of a record. Compression lets a message of few bytes
have many labels.
"""

import struct
from contextlib import suppress

MOST_PARTS = 2_048  # 20 ms; a genuine answer with 256 addresses has under 1,000
LONGEST_NAME = 128  # labels
SMALLEST_PART_BYTES = 4  # of an EDNS option, for example
RECORD = struct.Struct("!HHIH")  # type, class, TTL, bytes of the data
TXT, OPT = 16, 41
NAMELESS = (1, 28, 257, OPT)  # A, AAAA, CAA: their data contain no name
NAMES_AT = {
    2: (0, 1),
    5: (0, 1),
    6: (0, 2),
    12: (0, 1),
    15: (2, 1),
    33: (6, 1),
}  # NS CNAME SOA PTR MX SRV: offset, number


class TooCostly(Exception):
    """A message has too many parts."""


def limit_effort(data: bytes) -> None:
    """Return if a message is cheap to read or is cut off. Raises `TooCostly`."""
    with suppress(IndexError, struct.error):  # the reader notices, at the same place
        _Walk(data).all()


class _Walk:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._parts = 0

    def all(self) -> None:
        questions, *records = struct.unpack("!4H", self._data[4:12])
        at = 12
        for _ in range(questions):
            at = self._name(at) + 4
        for _ in range(sum(records)):
            at = self._name(at)
            kind, _class, _ttl, size_bytes = RECORD.unpack_from(self._data, at)
            at += RECORD.size
            self._record(kind, at, size_bytes)
            at += size_bytes

    def _record(self, kind: int, at: int, size_bytes: int) -> None:
        self._count(1)
        if kind == TXT:
            end = at + size_bytes
            while at < end:
                self._count(1)
                at += 1 + self._data[at]
        elif kind in NAMES_AT:
            offset, number = NAMES_AT[kind]
            at += offset
            for _ in range(number):
                at = self._name(at)
        else:
            self._count(size_bytes // SMALLEST_PART_BYTES + (0 if kind in NAMELESS else LONGEST_NAME))

    def _name(self, at: int) -> int:
        """Count the labels of a name, and return where it ends in the message."""
        end = None
        while size := self._data[at]:
            self._count(1)
            if size >= 0xC0:  # the rest is elsewhere
                end = at + 2 if end is None else end
                at = (size & 0x3F) << 8 | self._data[at + 1]
            else:
                at += 1 + size
        return at + 1 if end is None else end

    def _count(self, parts: int) -> None:
        self._parts += parts
        if self._parts > MOST_PARTS:
            raise TooCostly
