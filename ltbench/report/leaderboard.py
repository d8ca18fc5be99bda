"""The leaderboard of a folder of runs, in any of its formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ltbench.errors import UsageError, suggestion
from ltbench.report import data_formats, text_formats
from ltbench.report.content import Content, build
from ltbench.report.selection import select_runs
from ltbench.results.frame import load_runs


def _html(content: Content) -> str:
    from ltbench.report.page import html  # templates are slow to import, and rarely wanted

    return html(content)


FORMATS: dict[str, Callable[[Content], str]] = {
    "terminal": text_formats.terminal,
    "markdown": text_formats.markdown,
    "csv": data_formats.csv,
    "json": data_formats.to_json,
    "latex": text_formats.latex,
    "html": _html,
}
SUFFIXES = {
    "terminal": ".txt",
    "markdown": ".md",
    "csv": ".csv",
    "json": ".json",
    "latex": ".tex",
    "html": ".html",
}


def load_content(
    runs: Path | Sequence[Path],
    *,
    metrics: Sequence[str] | None = None,
    reference: str = "erm",
    algos: Sequence[str] = (),
    datasets: Sequence[str] = (),
    protocols: Sequence[str] = (),
    resamples: int = 0,
) -> Content:
    """Read runs and return their leaderboards, before any format.

    Args:
        runs: one or several folders of runs.
        metrics: columns, the first of which sorts; ``None`` for the default ones.
        reference: the method that the others are compared with, where a table has it.
        algos: keep these labels, or algorithms with their stages.
        datasets: keep these data sets.
        protocols: keep these protocols, by name or by the first digits of their hash.
        resamples: test sets drawn for intervals over test images; 0 leaves them out and reads no
            predictions.

    Raises:
        UsageError: there are no runs, or a filter or a metric matches none.
    """
    everything = load_runs(runs)
    chosen = select_runs(everything, algos, datasets, protocols)
    broken = everything.table[everything.table["status"] == "unreadable"]
    unreadable = list(zip(broken["path"], broken["reason"], strict=True))
    content = build(chosen, metrics=metrics, reference=reference, unreadable=unreadable)
    if not resamples:
        return content
    from ltbench.report.image_intervals import (
        bootstrap_images,  # reads large files, only where asked for
    )

    boards = [replace(b, images=bootstrap_images(b, resamples)) for b in content.boards]
    return replace(content, boards=tuple(boards))


def render(
    runs: Path | Sequence[Path],
    *,
    format: str = "terminal",
    metrics: Sequence[str] | None = None,
    reference: str = "erm",
    algos: Sequence[str] = (),
    datasets: Sequence[str] = (),
    protocols: Sequence[str] = (),
) -> str:
    """Return the leaderboard of one or several folders of runs as text.

    Args:
        runs: folders of runs.
        format: one of :data:`FORMATS`.
        metrics: as in :func:`load_content`, like all that follows.
        reference: see there.
        algos: see there.
        datasets: see there.
        protocols: see there.

    Raises:
        UsageError: there are no runs, or the format, a filter or a metric matches none.
    """
    if format not in FORMATS:
        raise UsageError(f"There is no format '{format}'{suggestion(format, FORMATS)}.")
    content = load_content(
        runs,
        metrics=metrics,
        reference=reference,
        algos=algos,
        datasets=datasets,
        protocols=protocols,
    )
    return FORMATS[format](content)


def write_folder(content: Content, folder: Path) -> list[Path]:
    """Write every format into a folder, with the rows behind the tables in ``rows.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"leaderboard{SUFFIXES[name]}": make(content) for name, make in FORMATS.items()}
    texts["rows.csv"] = data_formats.rows_csv(content)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]
