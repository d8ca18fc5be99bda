"""Curves drawn with characters: readable in a terminal of 80 columns, in a file and in a mail.

There are libraries for this; the one in wide use changes its interface between major versions and
weighs three megabytes, for the hundred lines that one plain kind of picture takes.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

SYMBOLS = "*o+x#@"
_LABEL = 9
_LARGEST = 1e300  # a scale reaches from minus to plus that
_MOST_FOR_LINEAR = 50.0
_Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        name: for the legend.
        segments: points in the order of x; segments are not joined with each other.
    """

    name: str
    segments: Sequence[Sequence[_Point]]


@dataclass(frozen=True)
class _Scale:
    """Places values on ``cells`` characters, by their logarithm where ``log``."""

    low: float
    high: float
    cells: int
    log: bool = False

    def place(self, value: float) -> int:
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.0
        return round(share * (self.cells - 1))

    def value(self, cell: int) -> float:
        share = cell / (self.cells - 1)
        if self.log:
            return self.low * (self.high / self.low) ** share
        return self.low + share * (self.high - self.low)


def draw(
    curves: Sequence[Curve],
    *,
    width: int = 79,
    height: int = 12,
    borders: Sequence[tuple[float, str]] = (),
) -> list[str]:
    """Return the lines of a picture of the curves, its axes and its legend.

    Values that are not finite, or beyond 1e300, are left out. The vertical axis is logarithmic
    where the values are positive and spread over more than a factor of fifty.

    Args:
        curves: at most as many as there are symbols; where two meet, the first one is seen.
        width: of every line, at most.
        height: of the picture without its axis.
        borders: places on the horizontal axis where something named begins.
    """
    curves = [_finite(curve) for curve in curves[: len(SYMBOLS)]]
    points = [point for curve in curves for segment in curve.segments for point in segment]
    if not points:
        return ["(no values yet)"]
    across, up = _scales(points, width - _LABEL - 2, height)
    borders = [(x, name) for x, name in borders if across.low <= x <= across.high]
    grid = [[" "] * across.cells for _ in range(height)]
    for x, _ in borders:
        for line in grid:
            line[across.place(x)] = "┊"
    for symbol, curve in reversed(list(zip(SYMBOLS, curves, strict=False))):
        for segment in curve.segments:
            for column, value in _columns(segment, across):
                grid[up.place(value)][column] = symbol
    labelled = {round(part * (height - 1) / 3) for part in range(4)}
    lines = []
    for row in reversed(range(height)):
        label = f"{up.value(row):.3g}" if row in labelled else ""
        lines.append(f"{label:>{_LABEL}} {'┤' if label else '│'}{''.join(grid[row])}".rstrip())
    lines.append(f"{'':{_LABEL}} └{'─' * across.cells}")
    lines.append(_foot(across))
    lines.extend(_names(borders, across))
    lines.extend(_legend([curve.name for curve in curves], up.log, width))
    return lines


def _legend(names: Sequence[str], log: bool, width: int) -> list[str]:
    """Return what the symbols stand for, no name broken in two lines."""
    entries = [f"{symbol}\0{name}" for symbol, name in zip(SYMBOLS, names, strict=False)]
    text = "   ".join([*entries, "(log\0scale)"] if log else entries)
    indent = " " * (_LABEL + 2)
    lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
    return [line.replace("\0", " ") for line in lines]


def _finite(curve: Curve) -> Curve:
    segments = [
        [p for p in segment if all(abs(value) < _LARGEST for value in p)]
        for segment in curve.segments
    ]
    return Curve(curve.name, segments)


def _scales(points: Sequence[_Point], columns: int, rows: int) -> tuple[_Scale, _Scale]:
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    log = low > 0 and high / low > _MOST_FOR_LINEAR
    if low_x == high_x:
        high_x = low_x + 1
    if low == high:
        room = abs(low) / 10 or 1.0
        low, high = low - room, high + room
    return _Scale(low_x, high_x, columns), _Scale(low, high, rows, log)


def _columns(segment: Sequence[_Point], across: _Scale) -> list[tuple[int, float]]:
    """Return a value for every column that the segment passes, straight between its points."""
    placed = [(across.place(x), y) for x, y in segment]
    cells = placed[:1]
    for (before, low), (column, high) in itertools.pairwise(placed):
        for between in range(before + 1, column):
            share = (between - before) / (column - before)
            cells.append((between, low + share * (high - low)))
        cells.append((column, high))
    return cells


def _foot(across: _Scale) -> str:
    """Return the labels of the horizontal axis: its ends and its middle."""
    values = (across.value(cell) for cell in (0, across.cells // 2, across.cells - 1))
    left, middle, right = (f"{round(value, 1):g}" for value in values)
    line = left + middle.center(across.cells - len(left) - len(right)) + right
    return f"{'':{_LABEL + 2}}{line}"


def _names(borders: Sequence[tuple[float, str]], across: _Scale) -> list[str]:
    """Return a line that names what begins at the borders, or none."""
    line = ""
    for x, name in borders:
        line = f"{line:{across.place(x)}}┊{name} "
    return [f"{'':{_LABEL + 2}}{line}".rstrip()] if line else []
