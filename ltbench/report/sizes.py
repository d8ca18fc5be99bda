"""How much of a network the methods of a table train, where that is not all of it."""

from __future__ import annotations

from ltbench.report.content import Leaderboard

_MOST = 6  # methods that are named


def sizes_note(board: Leaderboard) -> list[str]:
    """Return how many of their parameters methods train; nothing where each trains all."""
    runs = board.table.every_run.sort_values("seed", kind="stable")
    known = runs.dropna(subset=["parameters", "trainable_parameters"])
    known = known[known["trainable_parameters"] < known["parameters"]].drop_duplicates("label")
    of_label = {
        str(label): f"{trained:,.0f} of {whole:,.0f}"
        for label, trained, whole in known[
            ["label", "trainable_parameters", "parameters"]
        ].itertuples(index=False)
    }
    if not of_label:
        return []
    order = [row.label for row in board.rows if row.label in of_label]
    if len({*of_label.values()}) == 1:
        return [f"Parameters that are trained: {of_label[order[0]]}; the others are frozen."]
    named = [f"{label} {of_label[label]}" for label in order[:_MOST]]
    more = f", and {len(order) - _MOST} more methods" if len(order) > _MOST else ""
    return [f"Parameters that are trained: {', '.join(named)}{more}; the others are frozen."]
