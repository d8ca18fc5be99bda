"""Drawing what was run: figures are plugins; this hands them runs and writes what they return."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ltbench.errors import LtbenchError, PluginError
from ltbench.plugins.blame import naming
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.report import check_figure_suffix
from ltbench.report.csv_text import csv_text
from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.letters import drawable, key_of, with_codes
from ltbench.report.look import style
from ltbench.report.trials import Trials
from ltbench.results.frame import Runs
from ltbench.results.output_file import write_output

Drawing = tuple[Figure, pd.DataFrame]

DPI = 300


def draw(kind: str, data: FigureData, choices: Choices) -> Drawing:
    """Return a figure and its numbers; to be called within :func:`~ltbench.report.look.style`.

    Raises:
        UsageError: there is no such kind, or the runs do not suit it.
        DataError: a file of a run is missing or does not fit.
        PluginError: the figure's plugin fails, or gives something else.
    """
    return draw_entry(get_plugins()["figures"].get(kind), data, choices)


def draw_entry(entry: Entry, data: FigureData, choices: Choices) -> Drawing:
    """Return the same of one registered figure."""
    who = f"figure '{entry.name}' of {entry.distribution} {entry.version}"
    function = entry.load()
    with naming(who, LtbenchError):
        drawing = function(data, choices)
    match drawing:
        case (Figure() as figure, pd.DataFrame() as frame):
            return figure, frame
    raise PluginError(f"{who} does not return a matplotlib Figure and a data frame")


def write_figure(
    kind: str, runs: Runs, choices: Choices, output: Path, tuning: Trials | None = None
) -> list[Path]:
    """Draw a figure into a file and its numbers into a CSV beside it.

    Args:
        kind: the name of a registered figure.
        runs: the runs to be drawn.
        choices: see :class:`Choices`.
        output: a file that ends in one of :data:`ltbench.report.FIGURE_SUFFIXES`.
        tuning: which trials it may ask for.

    Returns:
        The two files.

    Raises:
        UsageError: the file's name says no known format, it cannot be written, or as :func:`draw`.
        DataError, PluginError: as :func:`draw`.
    """
    check_figure_suffix(output)
    data = FigureData(runs, tuning=tuning or Trials())
    with style():
        figure, frame = draw(kind, data, choices)
        written = save(figure, output, codes=name_codes(data))
    return [output, write_numbers(frame, written, output)]


def write_numbers(frame: pd.DataFrame, written: Mapping[str, str], output: Path) -> Path:
    """Write the numbers of a figure beside it, with the codes that it shows, and return the file.

    Raises:
        UsageError: the file cannot be written.
    """
    numbers = output.with_suffix(".csv")
    write_output(numbers, csv_text(with_codes(frame, written)).encode())
    return numbers


def name_codes(data: FigureData) -> dict[str, str]:
    """Return what stands for names that no font has: ``c17`` for class 17, ``d2`` for domain 2.

    They count from 0, as labels in the files of runs do.
    """
    try:
        _, facts = data.facts("names")
    except LtbenchError:  # of several data sets, or of none
        return {}
    kinds = (("d", facts["domains"]), ("c", facts["classes"]))
    return {str(name): f"{kind}{i}" for kind, names in kinds for i, name in enumerate(names)}


def save(
    figure: Figure, output: Path, dpi: int = DPI, codes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Write a figure into a file, whose name says a format, within its style.

    Args:
        figure: to be drawn.
        output: the file.
        dpi: pixels an inch.
        codes: of names, for letters that no font here has.

    Returns:
        Which codes it shows, and for what they stand.

    Raises:
        UsageError: the file cannot be written.
    """
    content, written = drawn(figure, output.suffix.lower()[1:], dpi, codes)
    if written:
        print(f"Warning: {output}: {key_of(written)}", file=sys.stderr, flush=True)
    write_output(output, content)
    return written


def as_bytes(figure: Figure, format: str, dpi: int = DPI) -> tuple[bytes, str]:
    """Return a figure as ``png`` or ``webp`` of so many pixels an inch, ``svg`` or ``pdf``.

    As :func:`drawn`, with what codes stand for in a sentence, or empty.
    """
    content, written = drawn(figure, format, dpi)
    return content, key_of(written)


def drawn(
    figure: Figure, format: str, dpi: int = DPI, codes: Mapping[str, str] | None = None
) -> tuple[bytes, dict[str, str]]:
    """Return a figure as a file, within its style.

    Without a date, so that the same runs give the same file.

    Args:
        figure: to be drawn.
        format: ``png`` or ``webp`` of so many pixels an inch, ``svg`` or ``pdf``.
        dpi: those pixels.
        codes: of names, for letters that no font here has.

    Returns:
        The file, which codes it shows and for what they stand.
    """
    buffer = io.BytesIO()
    dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    exact: dict[str, Any] = (
        {"pil_kwargs": {"lossless": True, "method": 3}} if format == "webp" else {}
    )
    with drawable(figure, as_text=format == "svg", codes=codes) as written:
        figure.savefig(buffer, format=format, dpi=dpi, metadata=dated.get(format), **exact)
    figure.set_layout_engine("none")  # it is laid out, and would be so again for each format
    return buffer.getvalue(), written
