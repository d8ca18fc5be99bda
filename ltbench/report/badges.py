"""How far runs were checked that somebody handed in, and who did: told where any was."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltbench.results.rows import about_row

if TYPE_CHECKING:
    from ltbench.report.content import Content, Leaderboard

MEANINGS = {
    "re-run": "trained again by the board with the same outcome",
    "recomputed": "metrics computed again from logits",
    "claimed": "as it was handed in",
}
"""The badges, from the surest on."""
OWN = "own"
"""What stands for runs without an origin beside those that were handed in."""
_MOST = 6  # names in a sentence


def badges(board: Leaderboard) -> dict[str, Counter[str]]:
    """Return the badges of each row's runs by label; empty where no run was handed in."""
    return {label: counts for label, (counts, _) in _told(board).items()}


def badge_text(counts: Counter[str]) -> str:
    """Return "recomputed", or "1 re-run, 4 recomputed" where the seeds of a row differ."""
    known = [(name, counts[name]) for name in (*MEANINGS, OWN) if counts[name]]
    if len(known) == 1:
        return known[0][0]
    return ", ".join(f"{number} {name}" for name, number in known)


def badge_notes(board: Leaderboard) -> list[str]:
    """Return what the badges of a table mean and who handed its runs in; nothing without any."""
    told = _told(board)
    if not told:
        return []
    there = {name for counts, _ in told.values() for name in counts}
    meanings = [f"{name}: {words}" for name, words in MEANINGS.items() if name in there]
    if OWN in there:
        meanings.append(f"{OWN}: not handed in, from folders or rows of whoever made this table")
    by: dict[str, list[str]] = {}
    for label, (_, origins) in told.items():
        for origin in origins:
            by.setdefault(origin, []).append(label)
    who = [f"{origin} ({_listed(labels)})" for origin, labels in sorted(by.items())]
    return [
        f"Badges: {'; '.join(meanings)}. None shows that test images took no part in training or "
        "tuning, or that seeds were not chosen.",
        *([f"Handed in by {'; '.join(who)}."] if who else []),
    ]


def badge_columns(content: Content) -> dict[str, list[Any]]:
    """Return columns with badges and origins for each table and method; none without any."""
    found = [(_told(board), row.label) for board in content.boards for row in board.rows]
    if not any(told for told, _ in found):
        return {}
    pairs = [told.get(label, (Counter[str](), [])) for told, label in found]
    return {
        "badge": [badge_text(counts) for counts, _ in pairs],
        "origin": ["; ".join(origins) for _, origins in pairs],
    }


def _told(board: Leaderboard) -> dict[str, tuple[Counter[str], list[str]]]:
    """Return badges and origins of each row's runs by label; empty where none was handed in."""
    runs = board.table.every_run
    done = runs[runs["status"] == "done"]
    about = [about_row(Path(path)) for path in done["path"]]
    if not any(one.get("badge") in MEANINGS for one in about):
        return {}
    found: dict[str, tuple[Counter[str], list[str]]] = {}
    for label, one in zip(done["label"], about, strict=True):
        counts, origins = found.setdefault(label, (Counter(), []))
        badge, origin = one.get("badge", ""), one.get("origin", "")
        counts[badge if badge in MEANINGS else "claimed" if origin else OWN] += 1
        if origin and origin not in origins:
            origins.append(origin)
    return found


def _listed(labels: list[str]) -> str:
    more = [f"{len(labels) - _MOST} more"] if len(labels) > _MOST else []
    return ", ".join([*labels[:_MOST], *more])
