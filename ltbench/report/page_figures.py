"""Figures on a page that stays small, however many runs it shows.

Curves and maps are sampled, numbers rounded and packed, drawings written as SVG or WebP, whichever
is smaller, and all of them share one amount of room. What finds none is named with the command that
draws it.
"""

from __future__ import annotations

import base64
import gzip
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.collections import Collection
from matplotlib.figure import Figure as Drawn
from matplotlib.lines import Line2D

from ltbench.command_start import command_words
from ltbench.errors import LtbenchError
from ltbench.report.csv_text import csv_text
from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.figures import draw, drawn, name_codes
from ltbench.report.letters import key_of, with_codes
from ltbench.report.look import style
from ltbench.report.section import Figure
from ltbench.report.selection import algorithms
from ltbench.report.trials import Trials
from ltbench.results.frame import Runs

ROOM = 4_000_000
"""Bytes of all figures and their numbers together."""

# Letters of 7 points, which suit print, are 13 pixels high on the page.
_PIXELS_PER_INCH = 140
_POINTS = {"tsne": 400}
_MOST_POINTS = 60
# Points of curves in the numbers, over all runs of a figure.
_MOST_ROWS = 20_000
_FEWEST_POINTS = 12
# Below this a drawing stays SVG, sharp at any size, and numbers stay plain text.
_SMALL_DRAWING = 60_000
_SMALL_TABLE = 12_000
# With more points, of a dozen bytes each, a page's worth of pixels is always smaller.
_MOST_IN_SVG = 30_000
_PIXELS_ONLY = ("heatmap", "tsne", "confusion")
_DIGITS = 6
_SAMPLED = ("convergence", "tsne")
# A page shows the first methods alone.
_OF_SOME = ("heatmap",)
_CHOICES = Choices()


@dataclass(frozen=True)
class Wish:
    """A figure that a page would like to show.

    Attributes:
        section: where it stands: the protocol hash of a table, empty for all data sets.
        kind, title, runs, choices: what to draw.
        open: whether it is seen without a click.
        optional: whether it is passed over in silence where it cannot be drawn.
        drawn: whether there is a plugin that draws it.
        tuning: the trials that it shows, for a figure of tuning.
        protocol: the hash by which its runs are found, where they are a part of the table's.
    """

    section: str
    kind: str
    title: str
    runs: Runs
    choices: Choices = _CHOICES
    open: bool = False
    optional: bool = False
    drawn: bool = True
    tuning: Trials | None = None
    protocol: str = ""

    @property
    def command(self) -> str:
        """Return what draws it in full, without the folders of the runs."""
        words = [*command_words(), "figures", self.kind]
        protocol = self.protocol or self.section
        words += ["--protocol", protocol[:8]] if protocol else []
        words += ["--domain", self.choices.domain] if self.choices.domain else []
        words += ["--metric", self.choices.metric] if self.choices.metric else []
        words += [word for name in self._methods() for word in ("--algo", name)]
        return shlex.join(words)

    def _methods(self) -> list[str]:
        """Return what tells its runs from others of the table; nothing where they may be all."""
        labels = list(dict.fromkeys(self.runs.table["label"]))
        if self.tuning:
            return []
        if len(labels) <= 4 or self.kind in _OF_SOME:
            return labels
        of = list(dict.fromkeys(algorithms(self.runs.table)))
        return of if len(of) == 1 else []


def draw_figures(
    wishes: Sequence[Wish], done: Callable[[int, int], None], room: int = ROOM
) -> dict[str, list[Figure]]:
    """Return the figures of each section, in the order of the wishes.

    Room is given kind after kind, so that every table has its first figure before one has its last.

    Args:
        wishes: what to draw.
        done: told how many are drawn, and of how many.
        room: bytes for all of them.
    """
    kinds = list(dict.fromkeys(wish.kind for wish in wishes))
    drawn: dict[int, Figure] = {}
    seen: dict[str, str] = {}
    order = sorted(range(len(wishes)), key=lambda i: (kinds.index(wishes[i].kind), i))
    crowded = len(wishes) > 30
    for count, i in enumerate(order):
        done(count, len(wishes))
        figure = _drawn(wishes[i], room, crowded=crowded)
        if figure.image and figure.image in seen:
            figure = replace(figure, image="", numbers="", reason=f"As above: {seen[figure.image]}")
        seen[figure.image] = f"{figure.title}."
        room -= len(figure.image) + len(figure.numbers)
        drawn[i] = figure
    done(len(wishes), len(wishes))
    sections: dict[str, list[Figure]] = {wish.section: [] for wish in wishes}
    for i, wish in enumerate(wishes):
        if drawn[i].image or not wish.optional:
            sections[wish.section].append(drawn[i])
    return sections


def _drawn(wish: Wish, room: int, *, crowded: bool) -> Figure:
    """Draw a figure into so many bytes; one that cannot be drawn or has no room says so."""
    kind, title = wish.kind, wish.title
    if not wish.drawn:
        return Figure(kind, title, reason=f"No plugin that is installed draws '{kind}'.")
    elsewhere = f"`{wish.command}` with the folders of the runs draws it in full."
    if room < _SMALL_DRAWING // 2:
        return Figure(kind, title, reason=f"Left out to keep the page small: {elsewhere}")
    try:
        with style():
            data = FigureData(wish.runs, tuning=wish.tuning or Trials())
            figure, frame = draw(kind, data, _choices(wish, crowded=crowded))
            scale = 1 if crowded else 2
            mime, image, written = _smallest(figure, kind, scale, name_codes(data))
    except LtbenchError as error:
        return Figure(kind, title, reason=str(error))
    address = _address(mime, image)
    if len(address) > room:
        return Figure(kind, title, reason=f"Left out to keep the page small: {elsewhere}")
    numbers = csv_text(with_codes(frame, written), digits=_DIGITS).encode()
    packed = len(numbers) > _SMALL_TABLE
    table = _packed(numbers) if packed else _address("text/csv", numbers)
    if len(table) > room - len(address):
        table = ""
    width = round(_PIXELS_PER_INCH * figure.get_figwidth())
    return Figure(
        kind, title, address, table, open=wish.open, width=width, packed=packed,
        note=f"{'' if table and kind not in _SAMPLED else elsewhere} {key_of(written)}".strip(),
    )  # fmt: skip


def _choices(wish: Wish, *, crowded: bool) -> Choices:
    """Return what was chosen, with a bound on the points of curves and maps."""
    if wish.kind in _POINTS:
        return replace(wish.choices, points=_POINTS[wish.kind] // (2 if crowded else 1))
    each = _MOST_ROWS // max(1, len(wish.runs.table))
    return replace(wish.choices, points=min(_MOST_POINTS, max(_FEWEST_POINTS, each)))


def _smallest(
    figure: Drawn, kind: str, scale: int, codes: Mapping[str, str]
) -> tuple[str, bytes, dict[str, str]]:
    """Return a drawing as SVG or WebP, whichever is smaller; small ones as SVG.

    Returns:
        Its type, the file, which codes stand there for letters, and for which.
    """
    found: list[tuple[str, bytes, dict[str, str]]] = []
    if kind not in _PIXELS_ONLY and _points(figure) <= _MOST_IN_SVG:
        found.append(("image/svg+xml", *drawn(figure, "svg")))
        if len(found[0][1]) <= _SMALL_DRAWING:
            return found[0]
    found.append(("image/webp", *drawn(figure, "webp", scale * _PIXELS_PER_INCH, codes)))
    return min(found, key=lambda one: len(one[1]))


def _points(figure: Drawn) -> int:
    """Return how many points the lines and shapes of a figure have."""
    shapes = [line.get_path() for line in figure.findobj(Line2D)]
    shapes += [path for part in figure.findobj(Collection) for path in part.get_paths()]
    return sum(int(np.shape(shape.vertices)[0]) for shape in shapes)


def _packed(numbers: bytes) -> str:
    return _address("application/gzip", gzip.compress(numbers, mtime=0))


def _address(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"
