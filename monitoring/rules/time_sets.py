"""Sets of time: half-open stretches [start, end) of whole seconds, ordered and disjoint. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Stretches = list[tuple[int, int]]


def joined(stretches: Iterable[tuple[int, int]]) -> Stretches:
    """Sort stretches, join those that touch or overlap, and drop empty ones."""
    found: Stretches = []
    for start, end in sorted(stretches):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def shared(ones: Stretches, others: Stretches) -> Stretches:
    """Return the intersection of two sets."""
    found, one, other = [], 0, 0
    while one < len(ones) and other < len(others):
        start, end = max(ones[one][0], others[other][0]), min(ones[one][1], others[other][1])
        if start < end:
            found.append((start, end))
        if ones[one][1] <= others[other][1]:
            one += 1
        else:
            other += 1
    return found


def without(ones: Stretches, others: Stretches) -> Stretches:
    """Return the difference of two sets."""
    if not ones:
        return []
    first, last = ones[0][0], ones[-1][1]
    edges = [first, *(edge for stretch in others for edge in stretch), last]
    gaps = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]
    return shared(ones, gaps)


def seconds_in(stretches: Sequence[tuple[int, int]], start: int, end: int) -> int:
    """Return how many seconds of [start, end) are in a set."""
    total = 0
    for index in range(max(0, bisect_right(stretches, (start, start)) - 1), len(stretches)):
        since, until = stretches[index]
        if since >= end:
            break
        total += max(0, min(until, end) - max(since, start))
    return total
