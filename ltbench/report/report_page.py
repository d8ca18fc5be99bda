"""The report: leaderboards, figures, statistics in words and where all came from, on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ltbench.plugins.manager import get_plugins
from ltbench.report.board_errors import errors_of_boards
from ltbench.report.content import Content, Leaderboard
from ltbench.report.figure_data import Choices
from ltbench.report.leaderboard import leaderboard_report
from ltbench.report.page_figures import Wish, draw_figures
from ltbench.report.render import write
from ltbench.report.selection import algorithms
from ltbench.report.trials import Trials
from ltbench.results.frame import Runs, joined

_MOST_MAPS = 4
_MOST_HEATMAPS = 12


def write_report(
    content: Content,
    output: Path,
    *,
    title: str,
    command: str,
    explain: bool = False,
    done: Callable[[int, int], None] = lambda drawn, figures: None,
) -> None:
    """Write the page.

    Args:
        content: the leaderboards.
        output: the file.
        title: the heading of the page.
        command: the command line that asked for it.
        explain: whether notes say at length what they mean.
        done: told how many figures are drawn, and of how many.
    """
    tuned = set(Trials(_folders(content)).frame["protocol_hash"])
    wishes = [wish for board in content.boards for wish in _wishes(board, tuned)]
    if content.summary:
        tables = [part for board in content.boards for part in board.table.trained().parts]
        runs = joined([table.runs for table in tables])
        choices = Choices(metric=content.summary.metric.name)
        wishes.append(
            Wish("", "cd", "Critical differences of mean ranks", runs, choices, open=True)
        )
    there = get_plugins()["figures"]
    wishes = [replace(wish, drawn=wish.kind in there) for wish in wishes]
    figures = draw_figures(wishes, done)
    report = leaderboard_report(
        content, title=title, command=command, figures=figures, explain=explain, cost=True
    )
    sections = [*report.sections, *errors_of_boards(content)]
    write(replace(report, sections=tuple(sections)), "html", output)


def _folders(content: Content) -> list[Path]:
    """Return the folders of all runs: four levels above a run's own."""
    paths = (path for board in content.boards for path in board.table.every_run["path"])
    return sorted({folders[3] for path in paths if len(folders := Path(path).parents) > 3})


def _wishes(board: Leaderboard, tuned: set[str]) -> Iterator[Wish]:
    """Yield the figures of one table; ``tuned`` are the hashes of those with trials."""
    if board.table.joined:
        yield from _wishes_of_each(board)
        return
    runs, place = board.table.trained().runs, board.table.protocol_hash
    labels = [row.label for row in board.rows if row.done and not row.combined]
    top, best = _only(runs, labels[:_MOST_MAPS]), _only(runs, labels[:1])
    shown = _only(runs, labels[:_MOST_HEATMAPS])
    maps = f"Test features of the first {_MOST_MAPS} methods"
    yield Wish(place, "violin", "Average and worst macro-F1 of every seed", runs, open=True)
    yield Wish(place, "heatmap", "F1 of each domain and class", shown)
    yield Wish(place, "confusion", "Which classes the first method takes for which", best)
    yield Wish(place, "distribution", "Training images of each class", runs)
    yield Wish(place, "convergence", "Loss and validation score over steps", runs)
    yield Wish(place, "tsne", maps, top)
    yield Wish(place, "transferability", "Domain-class pairs of the first method", best)
    if place in tuned:
        title = "Best scores against the number of trials of tuning"
        trials = Trials(_folders(Content((board,), None)), protocols=(place,))
        yield Wish(place, "budget", title, runs, tuning=trials)
    of = algorithms(runs.table)
    variants = runs.table["label"].groupby(of, sort=False).nunique()
    for name in variants.index[variants >= 3]:
        swept = runs.where((of == name).to_numpy())
        # Most methods are not swept.
        yield Wish(place, "sensitivity", f"Hyper-parameters of {name}", swept, optional=True)


def _wishes_of_each(board: Leaderboard) -> Iterator[Wish]:
    """Yield the figures of each unseen domain, as no figure mixes runs of several."""
    labels = [row.label for row in board.rows if not row.combined]
    for part in board.table.trained().parts:
        of = part.dataset.partition("[")[2].removesuffix("]") or part.dataset
        shown = _only(part.runs, labels[:_MOST_HEATMAPS])
        for kind, title, runs in (
            ("violin", "Average and worst macro-F1 of every seed", part.runs),
            ("heatmap", "F1 of each domain and class", shown),
            ("convergence", "Loss and validation score over steps", part.runs),
        ):
            yield Wish(
                board.table.protocol_hash, kind, f"{title}, {of}", runs,
                protocol=part.protocol_hash,
            )  # fmt: skip


def _only(runs: Runs, labels: list[str]) -> Runs:
    return runs.where(runs.table["label"].isin(labels).to_numpy())
