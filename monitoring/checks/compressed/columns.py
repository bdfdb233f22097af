"""Compress columns of numbers and texts, without loss. Pure: values in, bytes out.

A column of integers is split into byte planes (all lowest bytes, all second bytes, …). A constant plane is stored as
one byte, others are deflated if that makes them shorter. So regular values take almost no space, noise its true bits.
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

PLAIN, DIFFERENCES = 0, 1  # how the numbers of a column are stored
CONSTANT, DEFLATED, RAW = 0, 1, 2  # how a plane is stored
BITS, HUNDREDTHS = 0, 1  # how reals are stored
SMALLEST_NORMAL = 2.0**-126  # of reals; smaller ones have fewer digits
LARGEST = 2**53  # of a real in hundredths; differences of such fit into 64 bits
T = TypeVar("T")


class Damaged(ValueError):
    """The bytes were not written by this version or an earlier one."""


class Writer:
    """Append columns to a byte string."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def content(self) -> bytes:
        return b"".join(self._parts)

    def number(self, value: int) -> None:
        """Write a non-negative number, seven bits a byte."""
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        self._parts.append(bytes(out))

    def blob(self, content: bytes) -> None:
        self.number(len(content))
        self._parts.append(content)

    def integers(self, values: Sequence[int]) -> None:
        """Write a column of 64-bit integers, relative to the least or to the previous one, whichever is shorter."""
        if not values:
            return
        least = min(values)
        plain = _planes([value - least for value in values])
        forms = [(plain, PLAIN, least)]
        if len(plain) > 1 + len(values) // 100:  # else there is nothing to gain
            steps = [later - earlier for earlier, later in pairwise(values)]
            forms.append((_planes(list(map(_zigzag, steps))), DIFFERENCES, values[0]))
        planes, form, first = min(forms, key=lambda each: len(each[0]))
        self.number(form)
        self.number(_zigzag(first))
        self.blob(planes)

    def optional(self, values: Sequence[T | None]) -> list[T]:
        """Write which values of a column are not None, and return those for the caller to write."""
        self.integers([value is not None for value in values])
        return [value for value in values if value is not None]

    def reals(self, values: Sequence[float], expected: Sequence[int] | None = None) -> list[int] | None:
        """Write a column of PostgreSQL's `real`: as hundredths if all values are such, else by their bits.

        `expected` are hundredths close to the values, such as the sum of their parts. Returns the hundredths, for the
        caller to compute the `expected` of other columns from; None if the values are not hundredths.
        """
        hundredths = _hundredths(values)
        if hundredths is None:
            self.number(BITS)
            self.integers(struct.unpack(f"<{len(values)}I", _real_bits(values)))
            return None
        self.number(HUNDREDTHS)
        self.integers(hundredths if expected is None else _minus(hundredths, expected))
        return hundredths

    def texts(self, columns: Sequence[Sequence[str | None]]) -> None:
        """Write columns of texts, or None, with one shared dictionary."""
        known: dict[str, int] = {}
        indexes = [[0 if text is None else known.setdefault(text, len(known) + 1) for text in col] for col in columns]
        contents = [text.encode() for text in known]
        self.number(len(contents))
        self.integers([len(content) for content in contents])
        self.blob(_deflated(b"".join(contents)))
        for column in indexes:
            self.integers(column)


class Reader:
    """Read the columns that a `Writer` wrote, in the same order. Raises Damaged."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def number(self) -> int:
        value = shift = 0
        while True:
            if self._at >= len(self._content):
                raise Damaged(f"ends after {len(self._content)} bytes in the middle of a number")
            byte = self._content[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def blob(self) -> bytes:
        length = self.number()
        start, self._at = self._at, self._at + length
        if self._at > len(self._content):
            raise Damaged(f"ends after {len(self._content)} bytes, {self._at - len(self._content)} too early")
        return self._content[start : self._at]

    def integers(self, count: int) -> list[int]:
        if not count:
            return []
        form, first, planes = self.number(), _unzigzag(self.number()), self.blob()
        if form == PLAIN:
            return [value + first for value in _from_planes(planes, count)]
        values = [first]
        for step in _from_planes(planes, count - 1):
            values.append(values[-1] + _unzigzag(step))
        return values

    def optional(self, count: int) -> "Holes":
        return Holes(self.integers(count))

    def reals(self, count: int, expected: Sequence[int] | None = None) -> tuple[list[float], list[int] | None]:
        """Return the values, as PostgreSQL writes them (with the fewest digits), and their hundredths."""
        if self.number() == BITS:
            bits = struct.pack(f"<{count}I", *self.integers(count))
            return [_shortest(value) for value in struct.unpack(f"<{count}f", bits)], None
        hundredths = self.integers(count)
        if expected is not None:
            hundredths = _plus(hundredths, expected)
        return [value / 100 for value in hundredths], hundredths

    def texts(self, counts: Sequence[int]) -> list[list[str | None]]:
        lengths = self.integers(self.number())
        content, at = zlib.decompress(self.blob()), 0
        known: list[str | None] = [None]
        for length in lengths:
            known.append(content[at : at + length].decode())
            at += length
        return [[known[index] for index in self.integers(count)] for count in counts]


class Holes:
    """The positions of a column's values that are not None."""

    def __init__(self, is_there: Sequence[int]) -> None:
        self._is_there = is_there
        self.count = sum(is_there)

    @classmethod
    def of(cls, column: Sequence[object]) -> "Holes":
        return cls([value is not None for value in column])

    def pick(self, values: Sequence[T]) -> list[T]:
        """Return the values at the positions where the column has one."""
        return [value for value, there in zip(values, self._is_there, strict=True) if there]

    def fill(self, values: Iterable[T]) -> list[T | None]:
        """Return the column with the values at their positions, and None elsewhere."""
        following = iter(values)
        return [next(following) if there else None for there in self._is_there]


def _planes(values: Sequence[int]) -> bytes:
    """Return the planes of non-negative numbers, the least significant one first."""
    if not values:
        return b""
    width = (max(values).bit_length() + 7) // 8
    packed = struct.pack(f"<{len(values)}Q", *values)
    return b"".join(_plane(packed[number::8]) for number in range(width))


def _plane(plane: bytes) -> bytes:
    if plane.count(plane[0]) == len(plane):
        return bytes((CONSTANT, plane[0]))
    deflated = _deflated(plane)
    if len(deflated) + 4 < len(plane):
        return bytes((DEFLATED, *len(deflated).to_bytes(4, "little"))) + deflated
    return bytes((RAW,)) + plane


def _from_planes(planes: bytes, count: int) -> Sequence[int]:
    packed = bytearray(8 * count)
    at = number = 0
    while at < len(planes):
        form, at = planes[at], at + 1
        if form == CONSTANT:
            plane, at = planes[at : at + 1] * count, at + 1
        elif form == RAW:
            plane, at = planes[at : at + count], at + count
        elif form == DEFLATED:
            length = int.from_bytes(planes[at : at + 4], "little")
            plane, at = zlib.decompress(planes[at + 4 : at + 4 + length]), at + 4 + length
        else:
            raise Damaged(f"knows no plane of form {form}")
        if len(plane) != count:
            raise Damaged(f"has a plane of {len(plane)} bytes for {count} values")
        packed[number::8] = plane
        number += 1
    return struct.unpack(f"<{count}Q", packed)


def _deflated(content: bytes) -> bytes:
    return zlib.compress(content, 6)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _unzigzag(value: int) -> int:
    return -((value + 1) >> 1) if value & 1 else value >> 1


def _hundredths(values: Sequence[float]) -> list[int] | None:
    """Return values as integer hundredths, if they are exact; None otherwise."""
    try:
        found = [round(value * 100) for value in values]
    except (ValueError, OverflowError):  # nan, inf
        return None
    if found and max(map(abs, found)) >= LARGEST:
        return None
    return found if _real_bits([value / 100 for value in found]) == _real_bits(values) else None


def _real_bits(values: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def _shortest(value: float) -> float:
    """Return this `real` as the number with the fewest digits, as PostgreSQL writes it."""
    for digits in range(6 if abs(value) >= SMALLEST_NORMAL else 1, 9):  # a `real` has at least six digits, unless tiny
        shorter = float(f"{value:.{digits}g}")
        if _real_bits([shorter]) == _real_bits([value]):
            return shorter
    return float(f"{value:.9g}")


def _minus(values: Sequence[int], expected: Sequence[int]) -> list[int]:
    return [value - guess for value, guess in zip(values, expected, strict=True)]


def _plus(values: Sequence[int], expected: Sequence[int]) -> list[int]:
    return [value + guess for value, guess in zip(values, expected, strict=True)]
