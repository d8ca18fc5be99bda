"""Where runs came from: the machines and versions, and the commands that would make them again."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Collection, Sequence

import pandas as pd

from ltbench.report.content import Content, Leaderboard
from ltbench.report.dataset_labels import full_name
from ltbench.report.section import Column, Grid, Section
from ltbench.report.selection import shared_protocol
from ltbench.report.wording import content_notes
from ltbench.results.protocol import protocol_words
from ltbench.results.tuned import axes_of, axes_text
from ltbench.results.untrusted import clean

_FIELDS = ("ltbench", "git", "python", "torch", "device", "threads", "platform")


def lead(content: Content) -> str:
    """Return how much was run, in a sentence or two."""
    runs = sum(row.done for board in content.boards for row in board.rows)
    methods = len({row.label for board in content.boards for row in board.rows})
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
        table = board.table.runs.table
        for environment in table["environment"][table["status"] == "done"]:
            found[tuple(_text(environment.get(name)) for name in _FIELDS)] += 1
    return [
        {"runs": str(number), **dict(zip(_FIELDS, values, strict=True))}
        for values, number in found.most_common(20)
    ]


def run_commands(board: Leaderboard) -> list[str]:
    """Return the commands that make the runs of a table, as far as their identity tells them.

    Every setting of the protocol is named, so that the command means the same runs whatever the
    data set's protocol says some day. Of a local checkpoint they name the first digits of the
    SHA-256.
    """
    commands = [run_command(board)] if any(not row.tuned for row in board.rows) else []
    tuned = board.table.runs.table.drop_duplicates("label")
    for _, run in tuned[tuned["tuned"].astype(bool)].iterrows():
        budget = run["tuned"]
        searched = budget.get("from", {})
        algo = ["--algo", _typed(run)]
        search = ["--search", clean(axes_text(axes_of(budget), searched))]
        tried = [_text(budget.get(name)) for name in ("trials", "search", "seed")]
        words = ["ltbench", "tune", *algo, *_setting(board, without=searched), *search]
        for option, value in zip(("--trials", "--sampler", "--seed"), tried, strict=True):
            words += [option, value]
        best = ["ltbench", "run", "--hparams", "best", *algo, *search]
        best += [*_setting(board, without=searched), *_seeds(board)]
        commands += [shlex.join(words), shlex.join(best)]
    return commands


def run_command(board: Leaderboard) -> str:
    """Return the command that makes the runs of a table that were not tuned."""
    words = ["ltbench", "run"]
    for label in dict.fromkeys(row.method for row in board.rows if not row.tuned):
        words += ["--algo", label]
    return shlex.join([*words, *_setting(board, _seeds(board))])


def _seeds(board: Leaderboard) -> list[str]:
    seeds = sorted(set(board.table.runs.table["seed"]))
    if seeds == list(range(len(seeds))):
        return ["--seeds", str(len(seeds))]
    return ["--seeds", ",".join(map(str, seeds)) + ("," if len(seeds) == 1 else "")]


def _typed(run: pd.Series) -> str:
    """Return the algorithm of a tuned run with the hyper-parameters that were fixed meanwhile."""
    fixed = run["tuned"].get("fixed")
    pairs = fixed.items() if isinstance(fixed, dict) else ()
    parts = []
    for name in (run["algorithm"], *run["stages"]):
        own = [(key.rpartition("."), value) for key, value in pairs]
        typed = ",".join(f"{key}={_text(value)}" for (owner, _, key), value in own if owner == name)
        parts.append(f"{name}[{typed}]" if typed else name)
    return "+".join(parts)


def _setting(
    board: Leaderboard, seeds: Sequence[str] = (), without: Collection[str] = ()
) -> list[str]:
    """Return the options that give runs the data set, backbone and protocol of a table.

    Args:
        board: the table.
        seeds: options that choose the seeds.
        without: settings of the protocol that are passed over, as a search is told of them.
    """
    first = board.table.runs.table.iloc[0]
    dataset = full_name(first["dataset"], first["options"])
    words = ["--dataset", dataset, *seeds, "--backbone", first["backbone"]]
    words += ["--pretrained"] if first["pretrained"] else ["--no-pretrained"]
    words += ["--weights", f"CHECKPOINT-{first['weights'][:12]}"] if first["weights"] else []
    words += ["--precision", first["precision"]] if first["precision"] else []
    return words + [clean(word) for word in protocol_words(shared_protocol(first), without)]


def total_time(content: Content) -> str:
    """Return ", 3.2 hours of computation", or nothing where no run says how long it took."""
    seconds = sum(board.table.runs.table["seconds"].sum() for board in content.boards)
    return f", {seconds / 3600:.1f} hours of computation" if seconds > 0 else ""


def _text(value: object) -> str:
    if value is None:
        return "—"
    return clean(value if isinstance(value, str) else json.dumps(value))
