"""The leaderboard of a folder of runs, in any of its formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError, suggestion
from ltbench.report import SUFFIXES
from ltbench.report.content import Content, Leaderboard, build
from ltbench.report.cost import cost_grid
from ltbench.report.document import document, rows_frame, runs_csv
from ltbench.report.filters import names_a_domain
from ltbench.report.grid import (
    anova_grid,
    comparison_grid,
    images_grid,
    results_grid,
    summary_grid,
)
from ltbench.report.priors import prior_table, priors_grid
from ltbench.report.provenance import lead, origin
from ltbench.report.render import FORMATS, write
from ltbench.report.section import Figure, Report, Section
from ltbench.report.selection import select_runs
from ltbench.report.summary import Summary
from ltbench.report.verdict import verdict
from ltbench.report.wording import (
    content_notes,
    footnotes,
    omnibus_sentence,
    subtitle,
    summary_notes,
)
from ltbench.results.frame import Runs, load_runs
from ltbench.results.output_file import write_output
from ltbench.stats.priors import Prior


def load_content(
    runs: Path | Sequence[Path] | Runs,
    *,
    metrics: Sequence[str] | None = None,
    reference: str = "erm",
    algos: Sequence[str] = (),
    datasets: Sequence[str] = (),
    protocols: Sequence[str] = (),
    resamples: int = 0,
    test_priors: Sequence[Prior] = (),
    corrections: Sequence[str] = (),
    model_prior: str = "train",
    join: bool = True,
) -> Content:
    """Read runs and return their leaderboards, before any format.

    Args:
        runs: one or several folders of runs, or what was read of them.
        metrics: columns, the first of which sorts; ``None`` for the default ones.
        reference: the method that the others are compared with, where a table has it.
        algos: keep these labels, or algorithms with their stages.
        datasets: keep these data sets; where one is named with its unseen domain,
            ``pacs-mlt[unseen=photo]``, tables of several domains are not joined.
        protocols: keep these protocols, by name or by the first digits of their hash.
        resamples: test sets drawn for intervals over test images; 0 leaves them out and reads no
            predictions.
        test_priors: distributions of the classes under which accuracies are given as well.
        corrections, model_prior: see :func:`~ltbench.report.prior_scores.prior_scores`.
        join: whether tables of several unseen domains are joined at all.

    Raises:
        UsageError: there are no runs, or a filter or a metric matches none, or a distribution is of
            other classes.
    """
    everything = runs if isinstance(runs, Runs) else load_runs(runs)
    chosen = select_runs(everything, algos, datasets, protocols)
    broken = everything.table[everything.table["status"] == "unreadable"]
    unreadable = list(zip(broken["path"], broken["reason"], strict=True))
    content = build(
        chosen,
        metrics=metrics,
        reference=reference,
        unreadable=unreadable,
        join=join and not names_a_domain(datasets),
    )
    if test_priors:
        asked = test_priors, corrections, model_prior
        boards = [replace(b, priors=prior_table(b, *asked)) for b in content.boards]
        content = replace(content, boards=tuple(boards))
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
    explain: bool = False,
    **chosen: Any,
) -> str:
    """Return the leaderboard of one or several folders of runs as text.

    Args:
        runs: folders of runs.
        format: one of :data:`~ltbench.report.render.FORMATS`.
        explain: whether notes say at length what they mean.
        chosen: as in :func:`load_content`.

    Raises:
        UsageError: there are no runs, or the format, a filter or a metric matches none.
    """
    if format not in FORMATS:
        raise UsageError(f"There is no format '{format}'{suggestion(format, FORMATS)}")
    return FORMATS[format](leaderboard_report(load_content(runs, **chosen), explain=explain))


def leaderboard_report(
    content: Content,
    *,
    title: str = "Leaderboard",
    command: str = "",
    figures: Mapping[str, Sequence[Figure]] | None = None,
    explain: bool = False,
    cost: bool = False,
) -> Report:
    """Return what leaderboards say, for any format.

    Args:
        content: the leaderboards.
        title: the page's heading.
        command: what asks for the page; the commands of the runs are added.
        figures: of the page, for each protocol hash; those across data sets under ``""``.
        explain: whether notes say at length what they mean, with a sentence for each analysis of
            variance.
        cost: whether tables of time, parameters and memory follow.
    """
    figures = figures or {}
    boards = content.boards
    sections = [_board(board, figures, explain=explain, cost=cost) for board in boards]
    if content.summary:
        sections.append(_summary(content.summary, figures.get("", ())))
    return Report(
        tuple(sections),
        tuple(content_notes(content)),
        title,
        lead(content),
        document=partial(document, content, explain=explain),
        frame=partial(rows_frame, content),
        origin=partial(origin, content, command),
    )


def _board(
    board: Leaderboard, figures: Mapping[str, Sequence[Figure]], *, explain: bool, cost: bool
) -> Section:
    grids = (
        results_grid(board),
        anova_grid(board),
        comparison_grid(board),
        images_grid(board),
        priors_grid(board),
        cost_grid(board) if cost else None,
    )
    return Section(
        board.table.heading,
        grids=tuple(grid for grid in grids if grid),
        notes=tuple(footnotes(board, explain=explain)),
        lead=subtitle(board),
        findings=tuple(omnibus_sentence(board, m) for m in board.declared) if explain else (),
        name=board.table.short,
        verdict=tuple(verdict(board)),
        figures=tuple(figures.get(board.table.protocol_hash, ())),
    )


def _summary(summary: Summary, figures: Sequence[Figure]) -> Section:
    return Section(
        f"Across data sets: ranks on {summary.metric.words}",
        grids=(summary_grid(summary),),
        notes=tuple(summary_notes(summary)),
        name="Across data sets",
        figures=tuple(figures),
    )


def write_folder(
    content: Content, folder: Path, *, explain: bool = False, cost: bool = False
) -> list[Path]:
    """Write every format into a folder, with the rows behind the tables in ``rows.csv``."""
    report = leaderboard_report(content, explain=explain, cost=cost)
    paths = [folder / f"leaderboard{suffix}" for suffix in SUFFIXES.values()]
    for name, path in zip(SUFFIXES, paths, strict=True):
        write(report, name, path)
    scores = folder / "rows.csv"
    write_output(scores, runs_csv(content).encode())
    return [*paths, scores]
