"""Where runs came from: the machines and versions, and the commands that would make them again."""

from __future__ import annotations

import json
from collections import Counter

import pandas as pd

from ltbench.report.combined import combined_commands
from ltbench.report.command import commands_for
from ltbench.report.content import Content, Leaderboard
from ltbench.report.section import Column, Grid, Section
from ltbench.report.wording import content_notes
from ltbench.results.scheme import each_options
from ltbench.results.untrusted import clean

_FIELDS = ("ltbench", "git", "python", "torch", "device", "threads", "platform")


def lead(content: Content) -> str:
    """Return how much was run, in a sentence or two."""
    rows = [row for board in content.boards for row in board.rows if not row.combined]
    runs = sum((table["status"] == "done").sum() for table in _trained(content))
    methods = len({row.label for row in rows})
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
    for table in _trained(content):
        for environment in table["environment"][table["status"] == "done"]:
            found[tuple(_text(environment.get(name)) for name in _FIELDS)] += 1
    return [
        {"runs": str(number), **dict(zip(_FIELDS, values, strict=True))}
        for values, number in found.most_common(20)
    ]


def run_commands(board: Leaderboard) -> list[str]:
    """Return the commands that make the runs of a table."""
    table = board.table.every_run
    made = combined_commands(table[table["combined"].astype(bool)].to_dict("records"))
    trained = board.table.trained()
    parts = [part.runs.table for part in trained.parts if len(part.runs.table)]
    if trained.joined and parts:
        whole = [_of_each(part) for part in parts]
        commands = dict.fromkeys(tuple(commands_for(part)) for part in whole)
        if len(commands) == 1 and trained.joined.is_whole:
            return [*next(iter(commands)), *made]
    return [*(line for part in parts for line in commands_for(part)), *made]


def _trained(content: Content) -> list[pd.DataFrame]:
    """Return the runs of each table, without what was made of other runs."""
    return [board.table.trained().every_run for board in content.boards]


def _of_each(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of one unseen domain as of each domain, with what all of them share."""
    options = [each_options(options) for options in runs["options"]]
    return runs.assign(options=pd.Series(options, index=runs.index, dtype=object))


def computed(runs: pd.DataFrame) -> float:
    """Return the seconds that runs were computed for; what several begin with counts once."""
    return float((runs["seconds"] - runs["taken_over"]).sum())


def total_time(content: Content) -> str:
    """Return ", 3.2 hours of computation", or nothing where no run says how long it took."""
    seconds = sum(computed(table) for table in _trained(content))
    return f", {seconds / 3600:.1f} hours of computation" if seconds > 0 else ""


def _text(value: object) -> str:
    if value is None:
        return "—"
    return clean(value if isinstance(value, str) else json.dumps(value))
