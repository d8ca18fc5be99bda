"""The bootstrap over test images for the runs of a table."""

from __future__ import annotations

import pandas as pd

from ltbench.report.content import ImageIntervals, Leaderboard
from ltbench.report.explanations import images_explained
from ltbench.report.metrics import metric
from ltbench.report.predictions import table_predictions
from ltbench.report.section import Column, Section, fixed, name_column, remark, section
from ltbench.stats.image_bootstrap import image_bootstrap


def bootstrap_images(board: Leaderboard, resamples: int) -> ImageIntervals:
    """Read the predictions of a table's runs and draw its test images anew."""
    labels = [row.label for row in board.rows]
    predictions, truth, problems = table_predictions(board.table, labels)
    if truth is None:
        problems = problems[:1] or ["no run is done"]
        return ImageIntervals(pd.DataFrame(), resamples, tuple(problems))
    frame = image_bootstrap(
        predictions, truth["class"], truth["domain"], board.reference, resamples=resamples
    )
    if frame.empty:
        problems = ["a domain has a single test image, by which nothing is said of others"]
    return ImageIntervals(frame, resamples, tuple(problems))


def images_section(board: Leaderboard, resamples: int) -> Section:
    """Return intervals over test images, paired with the reference where the table has it."""
    title = f"Over test images — {board.table.short}"
    images = bootstrap_images(board, resamples)
    if images.frame.empty:
        return remark(title, f"No bootstrap: {images.problems[0]}.")
    shown = images.frame.copy()
    values = ["mean", "low", "high", "difference", "difference_low", "difference_high"]
    shown[values] = 100 * shown[values]
    shown["metric"] = [metric(name).words for name in images.frame["metric"]]
    points = fixed(1, sign=True)
    columns = {
        "metric": name_column("metric"),
        "label": name_column("method"),
        "mean": Column("mean", fixed(1), 0),
        "low": Column("low", fixed(1), 0),
        "high": Column("high", fixed(1), 0),
        "difference": Column(f"minus\n{board.reference or 'reference'}", points),
        "difference_low": Column("low", points),
        "difference_high": Column("high", points),
    }
    return section(title, images.frame, columns, images_explained(images), shown)
