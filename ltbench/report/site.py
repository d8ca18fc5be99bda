"""The report: leaderboards, figures, statistics in words and where all came from, on one page."""

from __future__ import annotations

import base64
from pathlib import Path

from ltbench.errors import LtbenchError
from ltbench.plugins.manager import get_plugins
from ltbench.report.content import Content, Leaderboard
from ltbench.report.csv_text import csv_text
from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.figures import as_bytes, draw
from ltbench.report.leaderboard import leaderboard_report
from ltbench.report.look import style
from ltbench.report.render import write
from ltbench.report.section import Figure
from ltbench.results.frame import Runs, joined

_MOST_MAPS = 4
_MOST_HEATMAPS = 12
_RASTER = ("heatmap", "tsne")
_OPEN = ("violin", "cd")
# Letters of 7 points, which suit print, are 13 pixels high on the page.
_PIXELS_PER_INCH = 140
_DEFAULTS = Choices()
_MIME = {"png": "image/png", "svg": "image/svg+xml"}


def write_report(content: Content, output: Path, *, title: str, command: str) -> None:
    """Write the page.

    Args:
        content: the leaderboards.
        output: the file.
        title: the heading of the page.
        command: the command line that asked for it.
    """
    figures = {board.table.protocol_hash: _figures(board) for board in content.boards}
    if content.summary:
        runs = joined([board.table.runs for board in content.boards])
        choices = Choices(metric=content.summary.metric.name)
        figures[""] = [_embed("cd", "Critical differences of mean ranks", runs, choices)]
    report = leaderboard_report(content, title=title, command=command, figures=figures)
    write(report, "html", output)


def _figures(board: Leaderboard) -> list[Figure]:
    """Return the figures of one table; what cannot be drawn says why."""
    runs = board.table.runs
    labels = [row.label for row in board.rows if row.done]
    top, best = _only(runs, labels[:_MOST_MAPS]), _only(runs, labels[:1])
    drawings = [
        ("violin", "Average and worst macro-F1 of every seed", runs),
        ("heatmap", "F1 of each domain and class", _only(runs, labels[:_MOST_HEATMAPS])),
        ("distribution", "Training images of each class", runs),
        ("convergence", "Loss and validation score over steps", runs),
        ("tsne", f"Test features of the first {_MOST_MAPS} methods", top),
        ("transferability", "Domain-class pairs of the first method", best),
    ]
    figures = [_embed(*drawing) for drawing in drawings]
    by_algorithm = runs.table.groupby("algorithm", sort=False)["label"].nunique()
    for name in by_algorithm.index[by_algorithm >= 3]:
        swept = runs.where((runs.table["algorithm"] == name).to_numpy())
        figure = _embed("sensitivity", f"Hyper-parameters of {name}", swept)
        figures += [figure] if figure.image else []  # most methods are not swept
    return figures


def _embed(kind: str, title: str, runs: Runs, choices: Choices = _DEFAULTS) -> Figure:
    """Draw a figure into the page; one with thousands of marks as pixels."""
    if kind not in get_plugins()["figures"]:
        return Figure(kind, title, reason=f"No plugin that is installed draws '{kind}'.")
    format_ = "png" if kind in _RASTER else "svg"
    try:
        with style():
            figure, frame = draw(kind, FigureData(runs), choices)
            image = as_bytes(figure, format_, 2 * _PIXELS_PER_INCH)
    except LtbenchError as error:
        return Figure(kind, title, reason=str(error))
    numbers = csv_text(frame).encode()
    return Figure(
        kind,
        title,
        _address(_MIME[format_], image),
        _address("text/csv", numbers),
        open=kind in _OPEN,
        width=round(_PIXELS_PER_INCH * figure.get_figwidth()),
    )


def _address(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _only(runs: Runs, labels: list[str]) -> Runs:
    return runs.where(runs.table["label"].isin(labels).to_numpy())
