"""What runs learnt on the test images, without their labels, before their test: what is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ltbench.results.untrusted import clean, numbers

if TYPE_CHECKING:
    from ltbench.report.content import Leaderboard

_MOST = 12  # values of one name


def transductive_notes(board: Leaderboard) -> list[str]:
    """Return the note on the methods of a table that learnt on test images; none without any."""
    if not (found := transductive_labels(board)):
        return []
    others = "" if len(found) == len(board.rows) else " The others saw none of them."
    return [
        f"Transductive: {', '.join(found)} learnt on the test images, without their labels, before "
        f"the test.{others}"
    ]


def transductive_labels(board: Leaderboard) -> list[str]:
    """Return the labels of the rows of which any run learnt on test images."""
    table = board.table.every_run
    labels = set(table["label"][table["transductive"].astype(bool)])
    return [row.label for row in board.rows if row.label in labels]


def before_test_lines(result: Mapping[str, Any]) -> list[str]:
    """Return what the page of a run says of what it learnt on test images, if anything.

    Args:
        result: the content of ``result.json``, whatever it is.
    """
    before = result.get("before_test")
    if not isinstance(before, dict) or not before:
        return []
    known = numbers({key: before.get(key) for key in ("images", "passes", "members")})
    if members := known.get("members"):
        return [f"Transductive: {members:.0f} of its runs learnt on the test images"]
    seen = f"{known.get('images', 0):,.0f} test images, without their labels"
    passes = known.get("passes", 0)
    times = f"in {passes:.0f} pass{'' if passes == 1 else 'es'}"
    learnt = before.get("learnt")
    values = [
        f"{clean(str(name))} {_shown(value)}"
        for name, value in (learnt.items() if isinstance(learnt, dict) else ())
    ]
    what = f": {'; '.join(values)}" if values else ""
    return [f"Transductive: before the test it learnt on {seen}, {times}{what}"]


def _shown(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    words = [
        f"{one:.3g}" if isinstance(one, int | float) else clean(str(one)) for one in values[:_MOST]
    ]
    return " ".join([*words, *(["…"] if len(values) > _MOST else [])])
