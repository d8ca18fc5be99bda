"""The full statistical analysis of a folder of runs, as tables."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from ltbench.report.content import Content, Leaderboard, Summary, long_scores
from ltbench.report.image_intervals import images_section
from ltbench.report.metrics import Metric
from ltbench.report.sections import Column, Columns, Section, fixed, probability, section
from ltbench.report.wording import content_notes, summary_notes
from ltbench.stats.diagnostics import diagnose
from ltbench.stats.groups import Groups, split_by_label
from ltbench.stats.omnibus import classical_anova, welch_anova
from ltbench.stats.pairwise import MOST_METHODS, all_pairs
from ltbench.stats.power import pooled_sd, power_table


def analysis_sections(
    content: Content, *, resamples: int = 1_000, power: float | None = None
) -> list[Section]:
    """Return all tables of `ltbench stats`.

    Args:
        content: the leaderboards to analyse.
        resamples: test sets that the bootstrap draws; 0 leaves it out.
        power: a difference in the primary metric's unit (0…1) to plan seeds for.
    """
    sections = []
    for board in content.boards:
        groups = groups_by_metric(board)
        sections.append(_heading(board))
        sections += [_means(board), _variance(board, groups), _assumptions(board, groups)]
        sections += [_pairs(board, metric, groups[metric.name]) for metric in board.declared]
        if board.reference:
            sections.append(_reference(board))
        if resamples:
            sections.append(images_section(board, resamples))
        if power is not None:
            sections.append(_power(board, groups[board.primary.name], power))
    if content.summary:
        sections.append(_across(content.summary))
    notes = content_notes(content)
    if notes:
        sections.append(section("Passed over", pd.DataFrame(), {}, notes))
    return sections


def groups_by_metric(board: Leaderboard) -> dict[str, Groups]:
    """Return the scores of each metric of a table, split by method, in the order of its rows."""
    scores = long_scores(board.table.runs, [m.name for m in board.metrics])
    order = {row.label: i for i, row in enumerate(board.rows)}
    scores = scores.sort_values("label", key=lambda names: names.map(order), kind="stable")
    return {m.name: split_by_label(scores[scores["metric"] == m.name]) for m in board.metrics}


def _title(board: Leaderboard, what: str) -> str:
    return f"{what} — {board.table.short}"


def _heading(board: Leaderboard) -> Section:
    notes = [f"Protocol {board.table.protocol_hash}.", *board.analysis.missing]
    return section(board.table.heading, pd.DataFrame(), {}, notes)


def _means(board: Leaderboard) -> Section:
    rows = [
        {"metric": m.name, "method": row.label, "n": len(cell.values), "mean": cell.mean,
         "sd": board.analysis.summary["sd"].get((row.label, m.name), float("nan")),
         "half_width": cell.half_width}
        for m in board.declared for row in board.rows for cell in [row.cells[m.name]]
    ]  # fmt: skip
    columns: Columns = {
        "metric": ("metric", str),
        "method": ("method", str),
        "n": ("n", str),
        "mean": ("mean", fixed(4)),
        "sd": ("sd", fixed(4)),
        "half_width": ("± 95 %", fixed(4)),
    }
    notes = ("± is half of Student's 95 % interval of the mean over seeds; sd has n − 1 below it.",)
    return section(_title(board, "Means over seeds"), pd.DataFrame(rows), columns, notes)


def _variance(board: Leaderboard, groups: dict[str, Groups]) -> Section:
    rows = []
    for metric in board.metrics:
        classical = classical_anova(groups[metric.name])
        welch = board.analysis.omnibus.get(metric.name) or welch_anova(groups[metric.name])
        row: dict[str, object] = {"metric": metric.name}
        for name, test in (("classical", classical), ("welch", welch)):
            row |= {f"{name}_{key}": value for key, value in asdict(test).items() if key != "test"}
        row["welch_p_holm"] = board.analysis.omnibus_holm.get(metric.name, float("nan"))
        rows.append(row)
    columns: Columns = {
        "metric": ("metric", str),
        "classical_statistic": ("classical\nF", fixed(2)),
        "classical_df1": ("df1", fixed(0)),
        "classical_df2": ("df2", fixed(0)),
        "classical_p": ("p", probability),
        "classical_omega_squared": ("ω²", fixed(2)),
        "welch_statistic": ("Welch\nF", fixed(2)),
        "welch_df2": ("df2", fixed(1)),
        "welch_p": ("p", probability),
        "welch_p_calibrated": ("calibrated\np", probability),
        "welch_p_holm": ("after\nHolm", probability),
        "welch_omega_squared": ("ω²", fixed(2)),
    }
    notes = [
        "Classical: Fisher's one-way analysis, which supposes equal variances; papers print it. "
        "Welch's does not. p < .05 says that not all methods are equal, not which.",
        "Calibrated: the same F against draws under no difference (parametric bootstrap). With few "
        "seeds and many methods Welch's own p is too small; claims rest on the calibrated one, "
        "after Holm over the metrics that carry claims: "
        f"{', '.join(m.name for m in board.declared)}.",
    ]
    frame = pd.DataFrame(rows)
    reasons = dict.fromkeys(r for r in (*frame["classical_reason"], *frame["welch_reason"]) if r)
    notes += [f"—: {reason}." for reason in reasons]
    left_out = {name for names in frame["welch_left_out"] for name in names}
    if left_out:
        notes.append(f"Welch's test leaves out {', '.join(sorted(left_out))} where seeds all agree "
                     "or are fewer than two.")  # fmt: skip
    return section(_title(board, "Analysis of variance over methods"), frame, columns, notes)


def _assumptions(board: Leaderboard, groups: dict[str, Groups]) -> Section:
    rows = [{"metric": m.name, **asdict(diagnose(groups[m.name]))} for m in board.declared]
    columns: Columns = {
        "metric": ("metric", str),
        "residuals": ("seeds", str),
        "shapiro_w": ("Shapiro–Wilk\nW", fixed(3)),
        "shapiro_p": ("p", probability),
        "levene_f": ("Brown–Forsythe\nF", fixed(2)),
        "levene_p": ("p", probability),
        "sd_low": ("least\nsd", fixed(4)),
        "sd_high": ("greatest\nsd", fixed(4)),
    }
    notes = (
        "Diagnostics only: they choose no test. With few seeds they miss all but gross departures, "
        "so a large p does not show normality or equal variances.",
    )
    return section(_title(board, "Assumptions"), pd.DataFrame(rows), columns, notes)


def _pairs(board: Leaderboard, metric: Metric, groups: Groups) -> Section:
    title = _title(board, f"All pairs, {metric.words}")
    k = len(groups.replicated().names)
    if not 2 <= k <= MOST_METHODS:
        reason = f"It takes 2 to {MOST_METHODS} methods with two seeds or more; here are {k}."
        return section(title, pd.DataFrame(), {}, (reason,))
    frame = all_pairs(groups, textbook=True)
    frame.insert(0, "metric", metric.name)
    points = _points(metric)
    columns: Columns = {
        "a": ("method", str),
        "b": ("minus", str),
        "difference": ("difference", points),
        "low": ("low", points),
        "high": ("high", points),
        "g": ("g", fixed(2, sign=True)),
        "t": ("t", fixed(2, sign=True)),
        "df": ("df", fixed(1)),
        "p_games_howell": ("Games–Howell\np", probability),
        "p": ("calibrated\np", probability),
    }
    notes = (
        "Differences in points with 95 % intervals that hold together over all pairs "
        f"({len(frame)}); g is Hedges'. Both p-values are family-wise over these pairs; "
        "Games–Howell's studentized range is too liberal at few seeds, so claims rest on the "
        "calibrated p.",
        "A p above .05 does not show that two methods are equal; read the interval.",
    )
    return section(title, frame, columns, notes)


def _reference(board: Leaderboard) -> Section:
    frame = board.analysis.comparisons
    title = _title(board, f"Against {board.reference}")
    if frame.empty:
        return section(title, frame, {}, ("It takes two seeds of it and of another method.",))
    scale = {m.name: m for m in board.declared}
    shown = frame.copy()
    for column in ("difference", "low", "high"):
        shown[column] = [
            scale[m].scaled(v) for m, v in zip(frame["metric"], frame[column], strict=True)
        ]
    columns: Columns = {
        "metric": ("metric", str),
        "label": ("method", str),
        "difference": ("difference", fixed(1, sign=True)),
        "low": ("low", fixed(1, sign=True)),
        "high": ("high", fixed(1, sign=True)),
        "g": ("g", fixed(2, sign=True)),
        "t": ("t", fixed(2, sign=True)),
        "df": ("df", fixed(1)),
        "p": ("p", probability),
        "p_holm": ("after\nHolm", probability),
        "claimed": ("claimed", lambda claimed: "yes" if claimed else ""),
    }
    notes = (
        "Welch's t. Intervals are for each difference alone, in points; Holm is over all "
        f"{len(frame)} rows. Claimed: at 5 %, where the analysis of variance finds a difference.",
    )
    text = section(title, shown, columns, notes)
    return Section(title, frame, text.grid, text.notes)


def _power(board: Leaderboard, groups: Groups, difference: float) -> Section:
    metric = board.primary
    title = _title(board, f"Seeds for {metric.number(difference)} points of {metric.words}")
    sd = pooled_sd(groups.variances, groups.counts)
    if not sd > 0:
        reason = "The spread over seeds is unknown: it takes a method with two seeds that differ."
        return section(title, pd.DataFrame(), {}, (reason,))
    methods = max(2, len(groups.names))
    family = (methods - 1) * len(board.declared)
    now = int(groups.counts.max())
    frame = power_table(sd, difference, methods, family, now)
    columns: Columns = {
        "test": ("to find it with a chance of 80 %", str),
        "power_now": (f"chance at\n{now} seeds", fixed(2)),
        "seeds_needed": ("seeds\nneeded", fixed(0)),
    }
    notes = (
        f"From a standard deviation over seeds of {metric.number(sd)} points, pooled over the "
        "methods; itself an estimate. More seeds do not shrink the error of the test set.",
        "Equal variances and normal scores are supposed; Welch's and Games–Howell's tests need a "
        "little more. —: more than a thousand.",
    )
    return section(title, frame, columns, notes)


def _across(summary: Summary) -> Section:
    result = summary.result
    title = f"Across data sets, {summary.metric.words}"
    frame = result.ranks.rename_axis("method").reset_index()
    columns: Columns = {"method": ("method", str)}
    if not result.reason:
        half = result.critical_difference / 2
        means = frame["method"].map(result.mean_ranks)
        frame.insert(1, "mean_rank", means)
        frame.insert(2, "low", means - half)
        frame.insert(3, "high", means + half)
        frame = frame.sort_values("mean_rank", kind="stable", ignore_index=True)
        columns |= {
            name: (name.replace("_", " "), fixed(2)) for name in ("mean_rank", "low", "high")
        }
    columns |= {name: (name, fixed(1)) for name in summary.datasets}
    notes = [*summary_notes(summary)]
    if not result.reason:
        notes.append("Intervals of mean ranks are ± half of Nemenyi's distance: two methods differ "
                     "exactly when theirs do not overlap.")  # fmt: skip
    return section(title, frame, columns, notes)


def _points(metric: Metric) -> Column:
    return lambda value: metric.number(value, sign=True)
