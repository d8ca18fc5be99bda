"""What every format renders: sections of tables with notes, and what programs read of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


class Cell(str):
    """The text of a cell, with what some formats make of it.

    Attributes:
        value: sorts it on the page; the text itself unless told otherwise, empty where missing.
        seeds: a line for each seed, shown where the page's reader points at it.
        narrow: what a terminal shows instead.
        href: the page that a page links it to, empty for none.
    """

    value: str
    seeds: str
    narrow: str
    href: str

    def __new__(
        cls,
        text: str,
        value: str | None = None,
        seeds: str = "",
        narrow: str | None = None,
        href: str = "",
    ) -> Cell:
        """Return the text with its attributes."""
        cell = super().__new__(cls, text)
        cell.value = text if value is None else value
        cell.seeds = seeds
        cell.narrow = text if narrow is None else narrow
        cell.href = href
        return cell

    def linked(self, href: str) -> Cell:
        """Return the same with a link."""
        return Cell(self, self.value, self.seeds, self.narrow, href)


@dataclass(frozen=True)
class Link:
    """A link of a page; ``saved`` where it leads to a file to keep."""

    text: str
    href: str
    saved: bool = False


def _text(value: Any) -> str:
    """Return text as it is, a :class:`Cell` with all that it says."""
    return value if isinstance(value, str) else str(value)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        head: what stands above it; a line feed begins a second line.
        write: makes the text of a value.
        priority: a terminal too narrow for all columns leaves out those with the highest number
            first, of equal ones the rightmost; 0 stays always.
        text: whether it holds words, which stand at its left and may be folded.
        wide: whether terminals leave it out, whatever their width.
        chosen: whether readers of a page that filters choose rows by its values.
    """

    head: str
    write: Callable[[Any], str] = _text
    priority: int = 1
    text: bool = False
    wide: bool = False
    chosen: bool = False


@dataclass(frozen=True)
class Grid:
    """A table for readers.

    Attributes:
        columns: the first one holds names.
        body: rows of texts, some of them :class:`Cell`.
        caption: what it shows, where its section's title and lead do not say so.
        title: the same in every format, texts among them, which print no captions.
        elsewhere: the format in which programs find all of its columns.
        sorted: the column that it is sorted by, and ``ascending`` or ``descending``.
        filtered: whether readers of the page may look for rows.
        of: what each row is of, where the page shows rows of a pair alone (``Report.pairs``).
    """

    columns: tuple[Column, ...]
    body: tuple[tuple[str, ...], ...]
    caption: str = ""
    elsewhere: str = "csv"
    sorted: tuple[int, str] = (-1, "")
    title: str = ""
    filtered: bool = False
    of: tuple[tuple[str, ...], ...] = ()

    @property
    def head(self) -> tuple[str, ...]:
        """What stands above the columns."""
        return tuple(column.head for column in self.columns)


@dataclass(frozen=True)
class Figure:
    """A figure of the page: data addresses of ``image`` and ``numbers``, or the ``reason`` why not.

    ``width`` is in pixels, where the page has so many; ``packed`` says that the numbers are
    compressed, and ``note`` what else is to be said below the figure.
    """

    kind: str
    title: str
    image: str = ""
    numbers: str = ""
    reason: str = ""
    open: bool = False
    width: int = 0
    packed: bool = False
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """An image on the page.

    Attributes:
        name: of its file.
        words: what is said of it.
        image: its data address, empty where there is none.
        map: the data address of where the network found its answer, empty where there is none.
    """

    name: str
    words: str = ""
    image: str = ""
    map: str = ""


@dataclass(frozen=True)
class Gallery:
    """Images of the page that belong together, under a line that says what they share."""

    title: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of a report under one title.

    Attributes:
        frame: the plain values, for programs; shares are fractions.
        grids: the same as text, for readers; the first one is the main one.
        notes: what the tables used and what they cannot show.
        lead: what the cells of the main table hold; below such a table notes are small print.
        findings: what tests say about it, in sentences.
        name: a short title, for the list of sections on the page.
        verdict, figures, galleries, commands: of the page alone.
        domain: of which domain it is, where the page shows one at a time: empty for all of them,
            ``None`` for what is always there.
        links: of the page alone, below the verdict.
    """

    title: str
    frame: pd.DataFrame = field(default_factory=pd.DataFrame)
    grids: tuple[Grid, ...] = ()
    notes: tuple[str, ...] = ()
    lead: str = ""
    findings: tuple[str, ...] = ()
    name: str = ""
    verdict: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    commands: tuple[str, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    domain: str | None = None
    links: tuple[Link, ...] = ()

    @property
    def grid(self) -> Grid:
        """The main table; an empty one where there is none."""
        return self.grids[0] if self.grids else Grid((), ())


@dataclass(frozen=True)
class Report:
    """All that a command has to say.

    Attributes:
        sections: in their order.
        notes: sentences about all of it.
        title: heading of the page.
        lead: the sentence below that.
        document: makes what JSON holds; by default title, rows and notes of each section.
        frame: makes the one table of CSV; by default those of the sections follow one another.
        origin: makes the page's last section, where it all came from.
        trail: the pages above this one, the first first.
        pairs: names of which readers of the page choose two, to see rows of these alone.
    """

    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()
    title: str = "Results"
    lead: str = ""
    document: Callable[[], Any] | None = None
    frame: Callable[[], pd.DataFrame] | None = None
    origin: Callable[[], Section] | None = None
    trail: tuple[Link, ...] = ()
    pairs: tuple[str, ...] = ()


def section(
    title: str,
    frame: pd.DataFrame,
    columns: Mapping[str, Column],
    notes: Sequence[str] = (),
    shown: pd.DataFrame | None = None,
) -> Section:
    """Return a section whose text shows some columns of a frame.

    Args:
        title: its heading.
        frame: the values.
        columns: the columns to be shown, by their names in the frame.
        notes: sentences below it.
        shown: the values to be shown, where they are others than those for programs.
    """
    source = (frame if shown is None else shown)[list(columns)]
    body = tuple(
        tuple(column.write(value) for column, value in zip(columns.values(), line, strict=True))
        for line in source.itertuples(index=False)
    )
    grids = (Grid(tuple(columns.values()), body),) if body else ()
    return Section(title, frame, grids, tuple(notes))


def remark(title: str, *notes: str) -> Section:
    """Return a section that is nothing but sentences."""
    return Section(title, notes=notes)


def name_column(head: str, priority: int = 0) -> Column:
    """Return a column of names."""
    return Column(head, priority=priority, text=True)


def whole(number: int) -> Cell:
    """Return "1,280", which sorts as a number."""
    return Cell(f"{number:,}", str(number))


def fixed(digits: int, *, sign: bool = False) -> Callable[[float], str]:
    """Return a writer of numbers with so many decimals; "—" for what is missing."""

    def write(value: float) -> str:
        if value is None or math.isnan(value):
            return "—"
        return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")

    return write


def probability(p: float) -> str:
    """Return ".012", "<.001", or "—" where there is none."""
    if math.isnan(p):
        return "—"
    return "<.001" if p < 0.0005 else _bare(f"{p:.3f}")


def explained_share(share: float) -> str:
    """Return ".81", an effect size such as ω²; "—" where there is none."""
    return "—" if math.isnan(share) else _bare(f"{share:.2f}")


def _bare(number: str) -> str:
    return number.replace("0.", ".", 1) if number.startswith("0.") else number
