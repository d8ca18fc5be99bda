"""What reports say of ensembles and soups: of which runs they are made, and what they cost."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltbench.command_start import command_words
from ltbench.report.plain import duration, short_path
from ltbench.results.combined import ENSEMBLE, SOUP, read_combined
from ltbench.results.untrusted import UnreadableRun

if TYPE_CHECKING:
    from ltbench.report.content import Leaderboard

_RULES = {
    "mean-probabilities": "mean of the probabilities",
}
_MOST = 4  # methods, or seeds, that are named
_BATCH_NORM = {
    "reestimated": "batch-norm statistics estimated anew on training images",
    "averaged": "batch-norm statistics averaged",
}


def combined_notes(board: Leaderboard) -> list[str]:
    """Return a sentence on each row that was made of other runs, and what none of them is."""
    made = [row for row in board.rows if row.combined]
    if not made:
        return []
    runs = board.table.every_run
    several = board.table.joined is not None
    notes = []
    for row in made:
        own = [one for one in runs["combined"][runs["label"] == row.label] if one]
        seconds = sum(float(one.get("train_s", 0.0)) for one in own)
        of_each = ", on each unseen domain" if several else ""
        notes.append(f"{row.label}{of_each}: {made_of({**row.combined, 'train_s': seconds})}.")
    return [
        *notes,
        "What was made of other runs is no seed of a method: no test has it, no rank.",
    ]


def made_of(combined: Mapping[str, Any]) -> str:
    """Return of what a run was made, how, and what it cost, without a full stop.

    Args:
        combined: of :func:`ltbench.results.combined.read_combined`.
    """
    rule = str(combined.get("rule", ""))
    members: Sequence[Mapping[str, Any]] = combined.get("members", ())
    kept = [member for member in members if member.get("kept", True)]
    taken = f"{len(kept)} of " if len(kept) < len(members) else ""
    parts = [f"{_RULES.get(rule, 'mean of the weights')} of {taken}{_named(members)}"]
    if rule == "greedy":
        parts.append("each was taken where validation did not fall")
    if len({member.get("protocol") for member in members}) > 1:
        parts.append("their protocols differ, and this is the table of the best on validation")
    if note := _BATCH_NORM.get(str(combined.get("batch_norm", ""))):
        parts.append(note)
    if seconds := combined.get("train_s"):
        parts.append(f"trained in {duration(seconds)} in all")
    networks = int(combined.get("networks") or 0)
    if networks:
        asks = "one network" if networks == 1 else f"{networks} networks"
        parts.append(f"a prediction asks {asks}")
    return "; ".join(parts)


def made_of_lines(spec: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """Return what the page of a run says of those that it was made of, if it was not trained.

    Args:
        spec: the content of ``spec.json``, whatever it is.
        result: that of ``result.json``.
    """
    identity = spec.get("identity")
    try:
        combined = read_combined(identity, result) if isinstance(identity, dict) else {}
    except UnreadableRun:
        return []
    if not combined:
        return []
    lines = [f"Made of other runs: {made_of(combined)}."]
    for member in combined["members"]:
        left_out = "" if member["kept"] else ", not taken"
        lines.append(f"  {member['method']} seed {member['seed']}: {member['run']}{left_out}")
    return lines


def combined_commands(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the commands that make ensembles and soups again, each once.

    Args:
        rows: fields of their records.
    """
    found: dict[str, None] = {}
    for row in rows:
        combined = row["combined"]
        if combined["kind"] not in (ENSEMBLE, SOUP):
            continue
        root = short_path(Path(os.path.abspath(row["path"])).parents[3])
        folders = [f"{root}/{member['run']}" for member in combined["members"] if member["run"]]
        rule = ["--uniform"] if combined["rule"] == "uniform" else []
        found[shlex.join([*command_words(), combined["kind"], *rule, *folders])] = None
    return list(found)


def _named(members: Sequence[Mapping[str, Any]]) -> str:
    """Return "erm at seeds 0, 1 and 2", or how many runs of which methods."""
    methods = list(dict.fromkeys(str(member.get("method") or "a run") for member in members))
    seeds = sorted({int(member.get("seed", -1)) for member in members})
    if len(methods) == 1 and len(seeds) == len(members):
        return f"{methods[0]} at seed{'s' * (len(seeds) > 1)} {_listed(list(map(str, seeds)))}"
    return f"{len(members)} runs of {_listed(methods)}"


def _listed(words: Sequence[str]) -> str:
    if len(words) > _MOST + 2:
        return f"{', '.join(words[:_MOST])} and {len(words) - _MOST} more"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
