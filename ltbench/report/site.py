"""The report: leaderboards, figures, statistics in words and where all came from, on one page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from ltbench.errors import LtbenchError
from ltbench.report.content import Content, Leaderboard
from ltbench.report.figures.convergence import draw_convergence
from ltbench.report.figures.critical_difference import draw_critical_difference
from ltbench.report.figures.distribution import draw_distribution
from ltbench.report.figures.drawing import Drawing
from ltbench.report.figures.heatmap import draw_heatmap
from ltbench.report.figures.sensitivity import draw_sensitivity
from ltbench.report.figures.style import style
from ltbench.report.figures.transferability import draw_transferability
from ltbench.report.figures.tsne import draw_tsne
from ltbench.report.figures.violin import draw_violin
from ltbench.report.leaderboard import leaderboard_report
from ltbench.report.render import write
from ltbench.report.section import Figure
from ltbench.report.selection import Table

_MOST_MAPS = 4
_MOST_HEATMAPS = 12
_RASTER = ("heatmap", "tsne")
_OPEN = ("violin", "cd")
# Letters of 7 points, which suit print, are 13 pixels high on the page.
_PIXELS_PER_INCH = 140


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
        draw = partial(draw_critical_difference, content.summary)
        figures[""] = [_embed("cd", "Critical differences of mean ranks", draw)]
    report = leaderboard_report(content, title=title, command=command, figures=figures)
    write(report, "html", output)


def _figures(board: Leaderboard) -> list[Figure]:
    """Return the figures of one table; what cannot be drawn says why."""
    table = board.table
    labels = [row.label for row in board.rows if row.done]
    top, best = _only(table, labels[:_MOST_MAPS]), _only(table, labels[:1])
    maps = _only(table, labels[:_MOST_HEATMAPS])
    drawings: list[tuple[str, str, Callable[[], Drawing]]] = [
        ("violin", "Average and worst macro-F1 of every seed", partial(draw_violin, table)),
        ("heatmap", "F1 of each domain and class", partial(draw_heatmap, maps)),
        ("distribution", "Training images of each class", partial(draw_distribution, table)),
        ("convergence", "Loss and validation score over steps", partial(draw_convergence, table)),
        ("tsne", f"Test features of the first {_MOST_MAPS} methods", partial(draw_tsne, top)),
        ("transferability", "Domain-class pairs of the first method",
         partial(draw_transferability, best)),
    ]  # fmt: skip
    figures = [_embed(*drawing) for drawing in drawings]
    by_algorithm = table.runs.table.groupby("algorithm", sort=False)["label"].nunique()
    for name in by_algorithm.index[by_algorithm >= 3]:
        swept = table.runs.where((table.runs.table["algorithm"] == name).to_numpy())
        draw = partial(draw_sensitivity, replace(table, runs=swept))
        figure = _embed("sensitivity", f"Hyper-parameters of {name}", draw)
        figures += [figure] if figure.image else []  # most methods are not swept
    return figures


def _embed(kind: str, title: str, draw: Callable[[], Drawing]) -> Figure:
    """Draw a figure into the page; one with thousands of marks as pixels."""
    raster = kind in _RASTER
    try:
        with style():
            figure, frame = draw()
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png" if raster else "svg", dpi=2 * _PIXELS_PER_INCH)
    except LtbenchError as error:
        return Figure(kind, title, reason=str(error))
    mime = "image/png" if raster else "image/svg+xml"
    numbers = frame.to_csv(index=False, lineterminator="\n").encode()
    return Figure(
        kind,
        title,
        _address(mime, buffer.getvalue()),
        _address("text/csv", numbers),
        open=kind in _OPEN,
        width=round(_PIXELS_PER_INCH * figure.get_figwidth()),
    )


def _address(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _only(table: Table, labels: list[str]) -> Table:
    chosen = table.runs.table["label"].isin(labels).to_numpy()
    return replace(table, runs=table.runs.where(chosen))
