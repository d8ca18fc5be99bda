"""What the methods of a table cost: time, parameters and memory."""

from __future__ import annotations

import math

from ltbench.report.content import Leaderboard
from ltbench.report.section import Cell, Column, Grid, fixed, name_column

_FIELDS = ("seconds", "parameters", "trainable_parameters", "peak_memory_mb")
_MILLION = 1e6


def cost_grid(board: Leaderboard) -> Grid | None:
    """Return what each method took, a mean over its runs that are done; ``None`` where none is.

    Seconds are those that the runs spent, on whatever machine and beside whatever else ran there,
    a first stage that they share with others included.
    """
    runs = board.table.trained().every_run
    means = runs[runs["status"] == "done"].groupby("label")[list(_FIELDS)].mean()
    if means.empty or means["seconds"].isna().all():
        return None
    known = means.to_dict("index")
    reference = known.get(board.reference or "", {}).get("seconds", math.nan)
    columns = [name_column("cost"), Column("seconds", priority=0)]
    columns += [Column(f"× {board.reference}", priority=2)] if reference > 0 else []
    columns += [Column("million parameters"), Column("trained", priority=3), Column("peak MB")]
    body = []
    for row in board.rows:
        if (found := known.get(row.label)) is None:
            continue
        seconds = found["seconds"]
        line: list[str] = [row.label, _cell(seconds, 0)]
        line += [_cell(seconds / reference, 1)] if reference > 0 else []
        line += [_cell(found[name] / _MILLION, 3) for name in _FIELDS[1:3]]
        body.append((*line, _cell(found["peak_memory_mb"], 0)))
    caption = "Means over seeds, on the machines that ran them: compare those of one machine"
    return Grid(tuple(columns), tuple(body), title=caption)


def _cell(number: float, digits: int) -> Cell:
    return Cell(fixed(digits)(number), "" if math.isnan(number) else repr(float(number)))
