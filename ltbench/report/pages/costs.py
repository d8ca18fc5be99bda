"""The columns of what methods cost, to stand beside those of what they score."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ltbench.report.content import Leaderboard
from ltbench.report.cost import cost_grid
from ltbench.report.section import Cell, Column


@dataclass(frozen=True)
class Costs:
    """What the rows of a table cost.

    Attributes:
        columns: of the cost table without its names.
        cells: by the labels of the rows.
        note: what the columns mean, in a sentence.
    """

    columns: tuple[Column, ...] = ()
    cells: dict[str, tuple[str, ...]] = field(default_factory=dict)
    note: str = ""

    def of(self, label: str) -> tuple[str, ...]:
        """Return the cells of a row."""
        return self.cells.get(label) or tuple(Cell("—", "") for _ in self.columns)

    def cell(self, label: str, head: str) -> str:
        """Return the cell below a heading; "—" where the table has no such column."""
        heads = [column.head for column in self.columns]
        return self.of(label)[heads.index(head)] if head in heads else Cell("—", "")


def costs_of(table: Leaderboard) -> Costs:
    """Return what the rows of a table cost; no columns where no run says."""
    grid = cost_grid(table)
    if grid is None:
        return Costs()
    cells = {line[0]: line[1:] for line in grid.body}
    columns = (replace(one, head=one.head.replace(" ", "\n", 1)) for one in grid.columns[1:])
    return Costs(tuple(columns), cells, f"Cost: {grid.title[:1].lower()}{grid.title[1:]}.")
