"""``ltbench tables unseen``: methods × unseen domains with their mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ltbench.errors import UsageError
from ltbench.plugins.experiment_table import ExperimentTable
from ltbench.plugins.hparams import HParams, hparam

if TYPE_CHECKING:
    from ltbench.report.content import Leaderboard, Row
    from ltbench.report.figure_data import FigureData
    from ltbench.report.section import Section


class UnseenHParams(HParams):
    """What is shown of each domain."""

    metric: str = hparam("accuracy_average", help="A metric by its full name.")
    reference: str = hparam("erm", help="What others are compared to.")


class Unseen(ExperimentTable):
    """Methods × unseen domains and their mean, as papers on domain generalisation print it.

    A row for each method, a column for each domain that was left out of training, and the mean
    over all of them, with ± over seeds. ▲ and ▼ mark means that differ from the reference's. A
    table for each data set, protocol, and way of choosing the model. RUNS are folders of runs, by
    default ./runs.

    \b
    Examples:
      ltbench tables unseen
      ltbench tables unseen --metric macro_f1_average -o unseen.tex
    """

    HParams = UnseenHParams
    hparams: UnseenHParams

    def sections(self, data: FigureData) -> Sequence[Section]:
        """Return one table for each data set, protocol and way of choosing the model."""
        from ltbench.report.content import build

        boards = build(
            data.runs, metrics=[self.hparams.metric], reference=self.hparams.reference, fewest=1
        ).boards
        found = [_section(board) for board in boards if board.table.joined]
        if not found:
            raise UsageError(
                "No runs here leave one domain out, and a table of unseen domains needs some: make "
                "them with `ltbench run --algo erm --dataset 'digits-mini-mlt[unseen=each]'`."
            )
        return found


def _section(board: Leaderboard) -> Section:
    """Return the table of one data set: values under the metrics' names, texts under domains'."""
    import pandas as pd

    from ltbench.report.grid import cell_text
    from ltbench.report.section import Cell, Column, name_column, section
    from ltbench.report.wording import marks_note, subtitle, unseen_notes

    metrics = [*(m for m in board.metrics if m.domain), board.primary]
    frame: list[dict[str, object]] = []
    shown: list[dict[str, str]] = []
    for row in board.rows:
        values: dict[str, object] = {"method": row.label, "seeds": row.done}
        texts = {"method": row.label, "seeds": Cell(f"{row.done}/{row.started}", str(row.done))}
        for metric in metrics:
            cell, name = row.cells[metric.name], metric.name
            values |= {name: cell.mean, f"{name}_half_width": cell.half_width}
            values[f"{name}_seeds"] = len(cell.values)
            mark = _mark(board, row) if metric is board.primary else ""
            sorts = repr(float(cell.mean)) if cell.values else ""
            texts[name] = Cell(cell_text(metric, cell, row) + mark, sorts)
        frame.append(values)
        shown.append(texts)
    columns = {"method": name_column("method"), "seeds": Column("k/N", priority=2)}
    columns |= {metric.name: Column(metric.domain) for metric in metrics[:-1]}
    columns[board.primary.name] = Column("mean", priority=0)
    notes = [f"{board.primary.measure}: {subtitle(board)}; (n=…) where a domain has other seeds."]
    if len(board.analysis.comparisons):
        notes.append(marks_note(board))
    title = f"Unseen domains, {board.primary.measure}: {board.table.heading}"
    return section(
        title,
        pd.DataFrame(frame),
        columns,
        [*notes, *unseen_notes(board)],
        pd.DataFrame(shown, dtype=object),  # as texts of pandas, cells would forget their values
    )


def _mark(board: Leaderboard, row: Row) -> str:
    """Return the mark of a mean that differs from the reference's."""
    found = row.comparisons.get(board.primary.name)
    if found is None or not found.claimed:
        return ""
    better = (found.difference > 0) != board.primary.smaller_is_better
    return " ▲" if better else " ▼"
