"""Where runs came from: the machines and versions, and the commands that would make them again."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import Any

from ltbench.report.content import Content, Leaderboard
from ltbench.results.record import clean

_FIELDS = ("ltbench", "git", "python", "torch", "device", "threads", "platform")


def environments(content: Content) -> list[dict[str, str]]:
    """Return each environment in which runs were made, with their number, commonest first."""
    found: Counter[tuple[str, ...]] = Counter()
    for board in content.boards:
        table = board.table.runs.table
        for environment in table["environment"][table["status"] == "done"]:
            found[tuple(_text(environment.get(name)) for name in _FIELDS)] += 1
    return [
        {"runs": str(number), **dict(zip(_FIELDS, values, strict=True))}
        for values, number in found.most_common(20)
    ]


def run_command(board: Leaderboard) -> str:
    """Return the command that makes the runs of a table, as far as their identity tells it.

    Settings that the command does not name are the protocol's, whose values the runs' ``spec.json``
    holds.
    """
    runs = board.table.runs.table
    first = runs.iloc[0]
    seeds = sorted(set(runs["seed"]))
    counted = seeds == list(range(len(seeds)))
    words = ["ltbench", "run"]
    for row in board.rows:
        words += ["--algo", row.label]
    words += ["--dataset", board.table.dataset]
    words += ["--seeds", str(len(seeds)) if counted else ",".join(map(str, seeds))]
    words += ["--backbone", first["backbone"]]
    words += ["--pretrained"] if first["pretrained"] else []
    protocol: dict[str, Any] = first["protocol"]
    for option, name in (
        ("--steps", "steps"),
        ("--batch-size", "batch_per_domain"),
        ("--lr", "lr"),
        ("--select", "select"),
    ):
        if name in protocol:
            words += [option, _text(protocol[name])]
    words += ["--precision", first["precision"]] if first["precision"] else []
    return shlex.join(words)


def total_time(content: Content) -> str:
    """Return ", 3.2 hours of computation", or nothing where no run says how long it took."""
    seconds = sum(board.table.runs.table["seconds"].sum() for board in content.boards)
    return f", {seconds / 3600:.1f} hours of computation" if seconds > 0 else ""


def _text(value: object) -> str:
    if value is None:
        return "—"
    return clean(value if isinstance(value, str) else json.dumps(value))
