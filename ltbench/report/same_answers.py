"""Methods of a table that came to the same at every seed: what sets them apart had no effect.

A penalty that sets in after the last step, an average whose valley was never found and a stage that
keeps what it was given train the same network as the method beneath. Their rows look like evidence
of their own.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ltbench.report.content import Leaderboard

_TELLING = "loss"
"""A score that differs wherever probabilities do; accuracies alone may be equal by chance."""


def same_notes(board: Leaderboard) -> list[str]:
    """Return the note on methods of a table whose scores are all equal; none without any."""
    return [
        f"No effect: {', '.join(labels)} have the same scores to the last digit at every seed that "
        "they share. What sets them apart changed nothing under this protocol."
        for labels in same_labels(board)
    ]


def same_labels(board: Leaderboard) -> list[list[str]]:
    """Return the groups of rows, two or more in each.

    Any two of a group are equal wherever both have a seed.
    """
    scores = _scores(board)
    having = defaultdict(list)
    for label, runs in scores.items():
        for one in runs.items():
            having[one].append(label)
    groups: list[list[str]] = []
    grouped: set[str] = set()
    for label, runs in scores.items():
        near = dict.fromkeys(other for one in runs.items() for other in having[one])
        same = [label]
        for other in near:  # two that agree with one that lacks a seed may differ at that seed
            free = other != label and other not in grouped
            if free and all(_agree(scores[other], scores[one]) for one in same):
                same.append(other)
        if label not in grouped and len(same) > 1:
            groups.append([other for other in near if other in same])
            grouped.update(same)
    return groups


def _agree(one: dict[tuple[int, int], bytes], other: dict[tuple[int, int], bytes]) -> bool:
    return all(one[key] == other[key] for key in one.keys() & other.keys())


def _scores(board: Leaderboard) -> dict[str, dict[tuple[int, int], bytes]]:
    """Return all scores of each row's runs that are done, by the part of the table and the seed."""
    found: dict[str, dict[tuple[int, int], bytes]] = {row.label: {} for row in board.rows}
    for number, part in enumerate(board.table.trained().parts):
        table, scores = part.runs.table, part.runs.scores
        if _TELLING not in scores:
            continue
        telling = np.isfinite(scores[_TELLING].to_numpy(dtype=float))
        kept = telling & (table["status"] == "done").to_numpy()
        values = scores.to_numpy(dtype=float)[kept]
        keys = zip(table["label"][kept], table["seed"][kept], strict=True)
        for (label, seed), row in zip(keys, values, strict=True):
            if label in found:
                found[label][number, int(seed)] = row.tobytes()
    return found
