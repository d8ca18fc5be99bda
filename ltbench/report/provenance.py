"""Where runs came from: the machines and versions, and the commands that would make them again."""

from __future__ import annotations

import json
from collections import Counter

from ltbench.report.combined import combined_commands
from ltbench.report.command import commands_for
from ltbench.report.content import Content, Leaderboard
from ltbench.report.section import Column, Grid, Section
from ltbench.report.wording import content_notes
from ltbench.results.untrusted import clean

_FIELDS = ("ltbench", "git", "python", "torch", "device", "threads", "platform")


def lead(content: Content) -> str:
    """Return how much was run, in a sentence or two."""
    rows = [row for board in content.boards for row in board.rows if not row.combined]
    runs, methods = sum(row.done for row in rows), len({row.label for row in rows})
    datasets = len({board.table.dataset for board in content.boards})
    return (
        f"{runs:,} runs of {methods} method{'s' * (methods != 1)} on {datasets} data "
        f"set{'s' * (datasets != 1)}{total_time(content)}. A table compares only runs of one data "
        "set, protocol and backbone."
    )


def origin(content: Content, command: str = "") -> Section:
    """Return the commands and the environments of the runs.

    Args:
        content: their leaderboards.
        command: a further one, which asks for the page.
    """
    commands = [line for board in content.boards for line in run_commands(board)]
    rows = environments(content)
    columns = tuple(Column(name) for name in (rows[0] if rows else ["runs"]))
    body = tuple(tuple(row.values()) for row in rows)
    return Section(
        "How this was made",
        grids=(Grid(columns, body, "Where the runs were carried out"),),
        notes=tuple(content_notes(content)),
        commands=tuple([*commands, command] if command else commands),
    )


def environments(content: Content) -> list[dict[str, str]]:
    """Return each environment in which runs were made, with their number, commonest first."""
    found: Counter[tuple[str, ...]] = Counter()
    for board in content.boards:
        table = board.table.trained().runs.table
        for environment in table["environment"][table["status"] == "done"]:
            found[tuple(_text(environment.get(name)) for name in _FIELDS)] += 1
    return [
        {"runs": str(number), **dict(zip(_FIELDS, values, strict=True))}
        for values, number in found.most_common(20)
    ]


def run_commands(board: Leaderboard) -> list[str]:
    """Return the commands that make the runs of a table."""
    table = board.table.runs.table
    made = table[table["combined"].astype(bool)]
    trained = board.table.trained().runs.table
    own = commands_for(trained) if len(trained) else []
    return [*own, *combined_commands(made.to_dict("records"))]


def total_time(content: Content) -> str:
    """Return ", 3.2 hours of computation", or nothing where no run says how long it took."""
    seconds = sum(b.table.trained().runs.table["seconds"].sum() for b in content.boards)
    return f", {seconds / 3600:.1f} hours of computation" if seconds > 0 else ""


def _text(value: object) -> str:
    if value is None:
        return "—"
    return clean(value if isinstance(value, str) else json.dumps(value))
