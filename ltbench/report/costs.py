"""What the methods of a table cost: time, parameters and memory of a run."""

from __future__ import annotations

import math

import pandas as pd

from ltbench.report.content import Leaderboard
from ltbench.report.plain import duration
from ltbench.report.section import Cell, Column

COST_COLUMNS = (
    Column("time\na run", priority=4),
    Column("parameters\ntrained", priority=5),
    Column("memory\nMB", priority=6),
)


def cost_cells(board: Leaderboard) -> dict[str, tuple[Cell, ...]]:
    """Return the cells of :data:`COST_COLUMNS` by the labels of the rows.

    Means over the runs that are done: of what each took alone, with the stages before it, of the
    parameters that training changes, and of the most memory that its process held.
    """
    table = board.table.every_run
    done = table[table["status"] == "done"]
    columns = ["seconds", "trainable_parameters", "peak_memory_mb"]
    # Runs of before it was noted what is trained trained all.
    done = done.assign(trainable_parameters=done["trainable_parameters"].fillna(done["parameters"]))
    means = done.groupby("label", sort=False)[columns].mean()
    return {str(label): tuple(_cells(line)) for label, line in means.iterrows()}


def _cells(line: pd.Series) -> list[Cell]:
    seconds, trained, memory = (float(value) for value in line)
    return [
        _cell(seconds, duration),
        _cell(trained, lambda value: f"{value:,.0f}"),
        _cell(memory, lambda value: f"{value:,.0f}"),
    ]


def _cell(value: float, write: object) -> Cell:
    assert callable(write)
    return Cell("—", "") if math.isnan(value) else Cell(write(value), repr(value))


COST_NOTE = (
    "time a run: mean seconds on the machines that the board names, with the stages before it, so "
    "that it compares methods only where these are the same; memory: the most that a run held."
)
"""What the columns mean, in a sentence."""
