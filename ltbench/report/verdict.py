"""What a table's statistics say, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence

from ltbench.report.content import Leaderboard, Row
from ltbench.report.grid import cell_text, ranks_text
from ltbench.report.metrics import Metric
from ltbench.report.wording import listed, p_value

_MOST_NAMES = 8


def verdict(board: Leaderboard) -> list[str]:
    """Return the outcome of one table in a few sentences, claiming no more than its tests do."""
    metric = board.primary
    scored = [row for row in board.rows if row.cells[metric.name].values]
    if not scored:
        if board.table.joined:
            return ["No method has a score on every unseen domain."]
        return ["No run of this table is done."]
    made = [row for row in scored if row.combined]
    scored = [row for row in scored if not row.combined] or made
    best = scored[0]
    value = metric.with_unit(cell_text(metric, best.cells[metric.name], best))
    extreme = "lowest" if metric.smaller_is_better else "highest"
    sentences = [f"The {extreme} {metric.words} is that of {best.label}: {value}."]
    if made and made != scored:
        value = metric.with_unit(cell_text(metric, made[0].cells[metric.name], made[0]))
        sentences.append(f"{made[0].label}, which was made of other runs, has {value}.")
    if len(scored) == 1:
        return sentences
    if not board.analysis.ranks:
        return [*sentences, "Whether the methods differ cannot be told from these runs."]
    if not board.analysis.claims(metric.name):
        sentences.append(
            f"No difference in {metric.words} between the methods was shown ({_anova(board)})."
        )
        return sentences + _on_other_metrics(board)
    rivals = not_told_apart(scored)
    if rivals and best.letters:
        sentences.append(
            f"It could hold rank {ranks_text(best.ranks)}: not told apart from it are "
            f"{listed([row.label for row in rivals], _MOST_NAMES)}."
        )
    elif best.letters:
        sentences.append("It differs from every other method that could be tested.")
    sentences.append(f"Not all methods are equal in {metric.words} ({_anova(board)}).")
    if board.reference:
        sentences += [_against(board, m) for m in board.declared]
    return sentences


def not_told_apart(rows: Sequence[Row]) -> list[Row]:
    """Return the rows after the first that share a letter with it."""
    return [row for row in rows[1:] if set(row.letters) & set(rows[0].letters)]


def _anova(board: Leaderboard) -> str:
    return f"ANOVA, {p_value(board.analysis.omnibus_holm[board.primary.name])}"


def _on_other_metrics(board: Leaderboard) -> list[str]:
    """Return what the declared metrics show beside the one that sorts the table."""
    others = [m for m in board.declared if m is not board.primary]
    shown = [m for m in others if board.analysis.claims(m.name)]
    if not shown:
        return []
    if board.reference:
        return [_against(board, m) for m in shown]
    return [f"{m.sentence_start}: not all methods are equal." for m in shown]


def _against(board: Leaderboard, metric: Metric) -> str:
    def claimed(row: Row, *, better: bool) -> bool:
        found = row.comparisons.get(metric.name)
        return bool(
            found
            and found.claimed
            and ((found.difference > 0) != metric.smaller_is_better) == better
        )

    better = [row.label for row in board.rows if claimed(row, better=True)]
    worse = [row.label for row in board.rows if claimed(row, better=False)]
    name = metric.sentence_start
    if not better and not worse:
        return f"{name}: no method was shown to differ from {board.reference}."
    parts = []
    if better:
        parts.append(f"better than {board.reference}: {listed(better, _MOST_NAMES)}")
    if worse:
        parts.append(f"worse than {board.reference}: {listed(worse, _MOST_NAMES)}")
    return f"{name}: {'; '.join(parts)}."
