"""Compute the shapes of charts of hours, which a template draws as SVG. Pure.

Shapes are in a box of `WIDTH` × `HEIGHT` units, which the page stretches to the available space; labels are outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, log10

WIDTH, HEIGHT = 1000, 200
GAP = 0.15  # share of a bar's width


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, which is not drawn if its height is 0."""

    x: float
    y: float
    width: float
    height: float


def nice_top(highest: float) -> float:
    """Return the end of an axis: 1, 2 or 5 times a power of ten, at least as high."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** int(log10(highest) // 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= highest * 0.9999)


def line(values: Sequence[float | None], top: float) -> str:
    """Return the path through values from left to right, interrupted where a value is None."""
    parts = []
    places = enumerate(values)
    for is_there, run in groupby(places, key=lambda place: place[1] is not None):
        if is_there:
            points = [f"{_middle(index, len(values)):.1f} {_y(value or 0.0, top):.1f}" for index, value in run]
            # A single point would be invisible, so it gets a little length.
            parts.append("M" + "L".join(points) + ("h4" if len(points) == 1 else ""))
    return "".join(parts)


def stack(counts: Sequence[Sequence[int]], top: float) -> list[list[Box]]:
    """Return the boxes of the counts of each bar, stacked from the bottom."""
    place = WIDTH / max(1, len(counts))
    stacks = []
    for index, column in enumerate(counts):
        boxes, below = [], 0.0
        for count in column:
            height = HEIGHT * count / top
            boxes.append(
                Box(
                    round(place * (index + GAP / 2), 2),
                    round(HEIGHT - below - height, 2),
                    round(place * (1 - GAP), 2),
                    round(height, 2),
                )
            )
            below += height
        stacks.append(boxes)
    return stacks


def evenly(count: int, wanted: int) -> list[int]:
    """Return evenly spaced positions for labels, ending with the last one."""
    step = max(1, ceil(count / wanted))
    return list(range((count - 1) % step, count, step))


def _middle(index: int, count: int) -> float:
    return WIDTH * (index + 0.5) / count


def _y(value: float, top: float) -> float:
    return HEIGHT - HEIGHT * min(value, top) / top
