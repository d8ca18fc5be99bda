"""The full statistical analysis of a folder of runs, as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial

import pandas as pd

from ltbench.report.across_pairs import pairs_section
from ltbench.report.content import Content, Leaderboard
from ltbench.report.image_intervals import images_section
from ltbench.report.metrics import Metric
from ltbench.report.predictions import first_stages
from ltbench.report.section import (
    Column,
    Report,
    Section,
    explained_share,
    fixed,
    name_column,
    probability,
    remark,
    section,
)
from ltbench.report.summary import Summary, across_domains
from ltbench.report.wording import content_notes, listed, paired_notes, summary_notes
from ltbench.stats.claims import draws_for, omnibus_test, with_families
from ltbench.stats.diagnostics import diagnose
from ltbench.stats.groups import Groups, split_by_label
from ltbench.stats.omnibus import classical_anova
from ltbench.stats.pairwise import MOST_METHODS, all_pairs
from ltbench.stats.power import pooled_sd, power_table


def analysis_report(
    content: Content, *, resamples: int, power: float | None = None, rope: float | None = None
) -> Report:
    """Return what `ltbench stats` says.

    Args:
        content: the leaderboards to analyse.
        resamples: test sets that the bootstrap draws; 0 leaves it out.
        power, rope: as in :func:`analysis_sections`, but in points, or the unit, of the first
            metric.
    """
    unit = 100 if content.boards[0].primary.in_percent else 1
    power, rope = (None if points is None else points / unit for points in (power, rope))
    sections = analysis_sections(content, resamples=resamples, power=power, rope=rope)
    return Report(tuple(sections), title="Analysis")


def analysis_sections(
    content: Content,
    *,
    resamples: int = 1_000,
    power: float | None = None,
    rope: float | None = None,
) -> list[Section]:
    """Return all tables of `ltbench stats`.

    Args:
        content: the leaderboards to analyse.
        resamples: test sets that the bootstrap draws; 0 leaves it out.
        power: a difference in the primary metric's unit (0…1) to plan seeds for.
        rope: means over seeds that differ by less are practically equal, in the primary metric's
            unit; ``None`` for a point of a share, and no such region for other metrics.
    """
    sections = []
    for board in content.boards:
        groups = groups_by_metric(board)
        sections.append(_heading(board))
        sections += [_means(board), _variance(board, groups, board.metrics)]
        sections.append(_assumptions(board, groups))
        sections += [_pairs(board, metric, groups[metric.name]) for metric in board.declared]
        if board.reference:
            sections.append(_reference(board))
        if domains := across_domains(board.table, board.primary.name):
            sections.append(_across(domains, board.table.short))
        if resamples:
            sections.append(images_section(board, resamples))
        if power is not None:
            sections.append(_power(board, groups[board.primary.name], power))
    if content.summary:
        sections.append(_across(content.summary))
        sections.append(pairs_section(content, content.summary, rope))
    if notes := content_notes(content):
        sections.append(remark("Passed over", *notes))
    return sections


def anova_sections(content: Content, *, only_scored: bool = False) -> list[Section]:
    """Return the classical, Welch's and the calibrated analysis of variance of each table.

    Args:
        content: the leaderboards to analyse.
        only_scored: whether to leave out metrics of which a table has no value.
    """
    sections = []
    for board in content.boards:
        groups = groups_by_metric(board)
        scored = tuple(m for m in board.metrics if groups[m.name].names)
        shown = scored if only_scored and scored else board.metrics
        found = _variance(board, groups, shown)
        notes = (*board.analysis.missing, *found.notes)
        sections.append(
            replace(found, title=f"ANOVA over methods: {board.table.heading}", notes=notes)
        )
    return sections


def groups_by_metric(board: Leaderboard) -> dict[str, Groups]:
    """Return the scores of each metric of a table, split by method, in the order of its rows."""
    trained = board.table.trained()
    scores, stages = trained.long_scores([m.name for m in board.metrics]), first_stages(trained)
    order = {row.label: i for i, row in enumerate(board.rows)}
    found = {
        m.name: with_families(split_by_label(scores[scores["metric"] == m.name]), stages)
        for m in board.metrics
    }
    found |= board.analysis.groups  # these know the error of the test images
    return {
        m.name: groups.take(sorted(range(len(groups.names)), key=lambda i: order[groups.names[i]]))
        for m in board.metrics
        for groups in [found[m.name]]
    }


def _title(board: Leaderboard, what: str) -> str:
    return f"{what} — {board.table.short}"


def _heading(board: Leaderboard) -> Section:
    return remark(
        board.table.heading, f"Protocol {board.table.protocol_hash}.", *board.analysis.missing
    )


def _means(board: Leaderboard) -> Section:
    rows = [
        {"metric": m.name, "method": row.label, "n": len(cell.values), "mean": cell.mean,
         "sd": board.analysis.summary["sd"].get((row.label, m.name), float("nan")),
         "half_width": cell.half_width}
        for m in board.declared for row in board.rows for cell in [row.cells[m.name]]
    ]  # fmt: skip
    columns = {
        "metric": name_column("metric"),
        "method": name_column("method"),
        "n": Column("n", priority=2),
        "mean": Column("mean", fixed(4), 0),
        "sd": Column("sd", fixed(4)),
        "half_width": Column("± 95 %", fixed(4)),
    }
    notes = ("± is half of Student's 95 % interval of the mean over seeds; sd has n − 1 below it.",)
    return section(_title(board, "Means over seeds"), pd.DataFrame(rows), columns, notes)


def _variance(board: Leaderboard, groups: dict[str, Groups], metrics: Sequence[Metric]) -> Section:
    rows, draws = [], draws_for(groups.values())
    for metric in metrics:
        of = groups[metric.name]
        classical = classical_anova(of)
        welch = board.analysis.omnibus.get(metric.name) or omnibus_test(of, draws)
        row: dict[str, object] = {"metric": metric.name}
        for name, test in (("classical", classical), ("welch", welch)):
            row |= {f"{name}_{key}": value for key, value in asdict(test).items() if key != "test"}
        row["welch_p_holm"] = board.analysis.omnibus_holm.get(metric.name, float("nan"))
        rows.append(row)
    columns = {
        "metric": name_column("metric"),
        "classical_statistic": Column("Fisher\nF", fixed(2), 2),
        "classical_df": Column("Fisher\ndf", priority=6),
        "classical_p": Column("Fisher\np", probability, 1),
        "classical_omega_squared": Column("Fisher\nω²", explained_share, 7),
        "welch_statistic": Column("Welch\nF", fixed(2), 2),
        "welch_df": Column("Welch\ndf", priority=5),
        "welch_p": Column("Welch\np", probability, 1),
        "welch_omega_squared": Column("Welch\nω²", explained_share, 4),
        "welch_p_calibrated": Column("calibrated\np", probability, 0),
        "welch_p_holm": Column("after\nHolm", probability, 3),
    }
    notes = [
        "Fisher: the classical one-way analysis, which supposes equal variances; papers print it. "
        "Welch's does not. p < .05 says that not all methods are equal, not which.",
        "Calibrated: Welch's F against draws under no difference (parametric bootstrap). With few "
        "seeds and many methods Welch's own p is too small; claims rest on the calibrated one, "
        "after Holm over the metrics that carry claims: "
        f"{', '.join(m.name for m in board.declared)}.",
    ]
    if any(test.test == "paired" for test in board.analysis.omnibus.values()):
        notes += paired_notes(board)
    frame = pd.DataFrame(rows)
    reasons = dict.fromkeys(r for r in (*frame["classical_reason"], *frame["welch_reason"]) if r)
    notes += [f"—: {reason}." for reason in reasons]
    tested = frame["welch_left_out"][frame["welch_reason"] == ""]
    left_out = {name for names in tested for name in names}
    if left_out:
        notes.append(
            f"Welch's test leaves out {', '.join(sorted(left_out))} where seeds all agree, are "
            "fewer than two, or two where others have more."
        )
    shown = frame.assign(**{f"{name}_df": _degrees(frame, name) for name in ("classical", "welch")})
    title = _title(board, "Analysis of variance (ANOVA) over methods")
    return section(title, frame, columns, notes, shown)


def _degrees(frame: pd.DataFrame, name: str) -> list[str]:
    """Return "3, 16" or "3, 8.4" for each row: both degrees of freedom of a test."""
    pairs = zip(frame[f"{name}_df1"], frame[f"{name}_df2"], strict=True)
    return ["—" if math.isnan(one) else f"{one:.0f}, {round(two, 1):g}" for one, two in pairs]


def _assumptions(board: Leaderboard, groups: dict[str, Groups]) -> Section:
    rows = [{"metric": m.name, **asdict(diagnose(groups[m.name]))} for m in board.declared]
    columns = {
        "metric": name_column("metric"),
        "residuals": Column("seeds", priority=3),
        "shapiro_w": Column("Shapiro–Wilk\nW", fixed(3)),
        "shapiro_p": Column("p", probability),
        "levene_f": Column("Brown–Forsythe\nF", fixed(2)),
        "levene_p": Column("p", probability),
        "sd_low": Column("least\nsd", fixed(4), 2),
        "sd_high": Column("greatest\nsd", fixed(4), 2),
    }
    notes = (
        "Diagnostics only: they choose no test. With few seeds they miss all but gross departures, "
        "so a large p does not show normality or equal variances.",
    )
    return section(_title(board, "Assumptions"), pd.DataFrame(rows), columns, notes)


def _pairs(board: Leaderboard, metric: Metric, groups: Groups) -> Section:
    title = _title(board, f"All pairs, {metric.words}")
    groups = groups.comparable()
    k = len(groups.names)
    if not 2 <= k <= MOST_METHODS:
        reason = f"It takes 2 to {MOST_METHODS} methods with two seeds or more; here are {k}."
        return remark(title, reason)
    frame = all_pairs(groups, textbook=True)
    frame.insert(0, "metric", metric.name)
    columns = {
        "a": name_column("method"),
        "b": name_column("minus"),
        "difference": Column("difference", points := partial(metric.number, sign=True), 0),
        "low": Column("low", points),
        "high": Column("high", points),
        "g": Column("g", fixed(2, sign=True), 2),
        "t": Column("t", fixed(2, sign=True), 3),
        "df": Column("df", fixed(1), 3),
        "p_games_howell": Column("Games–Howell\np", probability, 4),
        "p": Column("calibrated\np", probability, 0),
    }
    notes = (
        f"Differences{_in_points([metric])} with 95 % intervals that hold together over all pairs "
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
        return remark(title, "It takes two seeds of it and of another method.")
    by_name = {m.name: m for m in board.declared}
    shown = frame.copy()
    for column in ("difference", "low", "high"):
        shown[column] = [
            by_name[m].number(v, sign=True)
            for m, v in zip(frame["metric"], frame[column], strict=True)
        ]
    columns = {
        "metric": name_column("metric"),
        "label": name_column("method"),
        "difference": Column(f"minus\n{board.reference}", priority=0),
        "low": Column("low"),
        "high": Column("high"),
        "g": Column("g", fixed(2, sign=True), 2),
        "t": Column("t", fixed(2, sign=True), 3),
        "df": Column("df", fixed(1), 3),
        "p": Column("p", probability, 2),
        "p_holm": Column("after\nHolm", probability, 0),
        "paired": Column("paired", lambda paired: "yes" if paired else "", 2),
        "claimed": Column("claimed", lambda claimed: "yes" if claimed else ""),
    }
    notes = (
        f"Welch's t. Intervals are for each difference{_in_points(board.declared)} alone; Holm is "
        f"over all {len(frame)} rows. Claimed: at 5 %, where ANOVA finds a difference.",
        *paired_notes(board),
    )
    return section(title, frame, columns, notes, shown)


def _in_points(metrics: Sequence[Metric]) -> str:
    """Return " in points" where differences are, and of which metrics where not of all."""
    plain = [m.measure for m in metrics if not m.in_percent]
    if not plain:
        return " in points"
    some = f" (but of {listed(list(dict.fromkeys(plain)))})"
    return f" in points{some}" if len(plain) < len(metrics) else ""


def _power(board: Leaderboard, groups: Groups, difference: float) -> Section:
    metric = board.primary
    title = _title(board, f"Seeds for {metric.difference(difference)} of {metric.words}")
    sd = pooled_sd(groups.variances, groups.counts)
    if not sd > 0:
        reason = "The spread over seeds is unknown: it takes a method with two seeds that differ."
        return remark(title, reason)
    methods = max(2, len(groups.names))
    family = (methods - 1) * len(board.declared)
    now = int(groups.counts.max())
    frame = power_table(sd, difference, methods, family, now)
    columns = {
        "test": name_column("to find it with a chance of 80 %"),
        "power_now": Column(f"chance at\n{now} seeds", fixed(2)),
        "seeds_needed": Column("seeds\nneeded", fixed(0)),
    }
    notes = (
        f"From a standard deviation over seeds of {metric.difference(sd)}, pooled over the "
        "methods; itself an estimate. More seeds do not shrink the error of the test set.",
        "Normal scores are supposed. Tukey's test pools one variance over all methods; the table's "
        "own, of the last row, does not, and needs more seeds: with five and twenty methods it "
        "finds three standard deviations in 29 of 100 cases, where Tukey's finds 85. —: more than "
        "a thousand.",
    )
    return section(title, frame, columns, notes)


def _across(summary: Summary, of: str = "") -> Section:
    result = summary.result
    title = f"Across {summary.block}s, {summary.metric.words}{of and f' — {of}'}"
    frame = result.ranks.rename_axis("method").reset_index()
    columns = {"method": name_column("method")}
    if not result.reason:
        half = result.critical_difference / 2
        means = frame["method"].map(result.mean_ranks)
        frame.insert(1, "mean_rank", means)
        frame.insert(2, "low", means - half)
        frame.insert(3, "high", means + half)
        frame = frame.sort_values("mean_rank", kind="stable", ignore_index=True)
        columns |= {
            name: Column(name.replace("_", " "), fixed(2), 0)
            for name in ("mean_rank", "low", "high")
        }
    columns |= {name: Column(name, fixed(1)) for name in summary.datasets}
    notes = [*summary_notes(summary)]
    if not result.reason:
        notes.append("Intervals of mean ranks are ± half of Nemenyi's distance: two methods differ "
                     "exactly when theirs do not overlap.")  # fmt: skip
    return section(title, frame, columns, notes)
