"""Which methods were trained on validation images, by which models are chosen: what is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ltbench.results.untrusted import clean

if TYPE_CHECKING:
    from ltbench.report.content import Leaderboard

TRAINED_ON = "trained_on_validation"
"""The entry of ``result.json`` with the names of the parts that were."""
_MOST = 12  # names in a sentence


def validation_notes(board: Leaderboard) -> list[str]:
    """Return the note on the methods of a table that trained on validation images; or none."""
    if not (found := validation_labels(board)):
        return []
    others = "" if len(found) == len(board.rows) else " The others had the training images alone."
    return [
        f"Trained on the validation images too: {', '.join(found)}. Their validation scores, by "
        f"which models and settings are chosen, are of images they had seen.{others}"
    ]


def validation_labels(board: Leaderboard) -> list[str]:
    """Return the labels of the rows of which any run trained on validation images."""
    table = board.table.every_run
    labels = set(table["label"][table[TRAINED_ON].astype(bool)])
    return [row.label for row in board.rows if row.label in labels]


def validation_lines(result: Mapping[str, Any]) -> list[str]:
    """Return what the page of a run says of it, if anything.

    Args:
        result: the content of ``result.json``, whatever it is.
    """
    found = result.get(TRAINED_ON)
    listed = found if isinstance(found, list) else []
    names = [clean(name) for name in listed if isinstance(name, str)]
    if not names:
        return []
    return [
        f"Trained on the validation images: {', '.join(names[:_MOST])}, so that the validation "
        "scores are of images it had seen"
    ]
