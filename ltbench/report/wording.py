"""The sentences of a leaderboard: headings, test results and the footnotes that bound them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ltbench.plugins.measure import find_base
from ltbench.report.badges import badge_notes
from ltbench.report.before_test import transductive_notes
from ltbench.report.combined import combined_notes
from ltbench.report.content import Content, ImageIntervals, Leaderboard, Row
from ltbench.report.metrics import Metric
from ltbench.report.priors import priors_notes
from ltbench.report.same_answers import same_notes
from ltbench.report.section import probability
from ltbench.report.sizes import sizes_note
from ltbench.report.summary import Summary
from ltbench.report.validation_labels import validation_notes
from ltbench.stats.strata import FEWEST_OF_CLASS

TUNED = (
    "tuned: what stands in brackets and after the budget, or the defaults, scored best on "
    "validation images among so many trials at one seed (`ltbench tune`); hparams are the method's "
    "own, other names settings of the protocol. Other brackets were set by hand."
)
_F = {"Welch": "Welch's F", "paired": "paired F"}
_MOST_OF_A_BUDGET = 4  # rows that are named


def p_value(p: float) -> str:
    """Return "p = .012", "p < .001", or "p —" where there is none."""
    text = probability(p).replace("<", "< ")
    return f"p = {text}" if text[0] == "." or text[0].isdigit() else f"p {text}"


def listed(words: Sequence[str], most: int | None = None) -> str:
    """Return "a, b and c", or the first few and how many more."""
    if most is not None and len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def seeds(board: Leaderboard) -> str:
    """Return how many seeds a mean is over, "n = 5 seeds" or "n = 3 to 5 seeds"."""
    counts = sorted({row.done for row in board.rows if row.done and not row.combined})
    if not counts:
        return "no seed has every domain" if board.table.joined else "no run is done"
    if len(counts) == 1:
        return f"n = {counts[0]} seed{'s' if counts[0] > 1 else ''}"
    return f"n = {counts[0]} to {counts[-1]} seeds, in column k/N"


def subtitle(board: Leaderboard) -> str:
    """Return what the cells of the table hold."""
    if any(not math.isnan(cell.half_width) for row in board.rows for cell in row.cells.values()):
        return f"mean ± half the 95 % t-interval over seeds, {seeds(board)}; {_units(board)}"
    return f"scores without ±: it takes two seeds, {seeds(board)}; {_units(board)}"


def _units(board: Leaderboard) -> str:
    """Return "% unless a loss", with what else is no percentage and its unit."""
    plain = [m for m in board.metrics if not m.in_percent and m.base != "loss"]
    names = dict.fromkeys(f"{m.measure} ({m.unit})" if m.unit else m.measure for m in plain)
    return f"% unless {listed(['a loss', *names])}".replace(" and ", " or ")


def omnibus_sentence(board: Leaderboard, metric: Metric) -> str:
    """Return the analysis of variance of one metric in a sentence."""
    test = board.analysis.omnibus[metric.name]
    name = metric.sentence_start
    if test.reason:
        return f"{name}: no ANOVA; {test.reason}."
    adjusted = board.analysis.omnibus_holm[metric.name]
    verdict = (
        "not all methods are equal"
        if board.analysis.claims(metric.name)
        else "no difference was found, which does not show that there is none"
    )
    return (
        f"{name}: {_F[test.test]}({test.df1:.0f}, {test.df2:.1f}) = {test.statistic:.2f}, "
        f"{p_value(test.p)}; calibrated {p_value(test.p_calibrated)}, "
        f"after Holm {p_value(adjusted)}; ω² = {test.omega_squared:.2f}: {verdict}."
    )


def footnotes(board: Leaderboard, *, explain: bool = False) -> list[str]:
    """Return which tests a table used, what they cannot show, and what is missing.

    Args:
        board: the table.
        explain: whether to say it at length (:mod:`ltbench.report.explanations`).
    """
    if explain:
        from ltbench.report.explanations import explanations

        return [*explanations(board), *sizes_note(board), *priors_notes(board), *_gaps(board)]
    first = "; ".join(part for part in (_covered(board), _rank(board)) if part)
    notes = [f"{first}."] if first else []
    if board.tuned:
        notes += [TUNED, budget_note(board)]
    notes += _without_anova(board)
    if len(board.analysis.comparisons):
        notes.append(marks_note(board))
    if board.images:
        notes += images_notes(board.images)
    return notes + sizes_note(board) + priors_notes(board) + _gaps(board)


def _covered(board: Leaderboard) -> str:
    """Return what ± and tests hold for; nothing where there are neither."""
    tested = [m for m in board.declared if not board.analysis.omnibus[m.name].reason]
    alone = [m for m in tested if m.name not in board.analysis.over_images]
    here = "other seeds on these test images alone"
    if not tested:
        spread = any(not math.isnan(c.half_width) for row in board.rows for c in row.cells.values())
        return "± covers other seeds, not other test images" if spread else ""
    if len(alone) == len(tested):
        return f"± and tests cover {here}, on which methods that are equal may differ"
    some = f" (of {listed([m.short for m in alone])}: {here})" if alone else ""
    return f"± covers other seeds; tests cover other seeds and other test images{some}"


def _rank(board: Leaderboard) -> str:
    if not board.analysis.ranks:
        return ""
    return (
        f"rank: places open on {board.primary.short}, by tests of all pairs (5 % family-wise); a "
        "shared letter means not told apart, not equal"
    )


def _without_anova(board: Leaderboard) -> list[str]:
    """Name the metrics of which there is no analysis of variance, by the reason why."""
    by_reason: dict[str, list[str]] = {}
    for metric in board.declared:
        if reason := board.analysis.omnibus[metric.name].reason:
            by_reason.setdefault(reason, []).append(metric.short)
    return [
        "No ANOVA"
        + (f" of {listed(names)}" if len(names) < len(board.declared) else "")
        + f": {reason}."
        for reason, names in by_reason.items()
    ]


def marks_note(board: Leaderboard) -> str:
    """Return what the marks of a table mean."""
    count = len(board.analysis.comparisons)
    family = f", p after Holm over all {count} comparisons" if count > 1 else ""
    return (
        f"▲ better, ▼ worse than {board.reference}: Welch's t{family}, only where ANOVA finds a "
        "difference. No mark: not shown, not equal. Differences in points"
        f"{own_units(board)}, g is Hedges'."
    )


def own_units(board: Leaderboard) -> str:
    """Return which differences are in no points, in brackets; nothing where all are."""
    plain = [m.measure for m in board.declared if not m.in_percent and m.base != "loss"]
    return f" ({listed(list(dict.fromkeys(plain)))}: as it is)" if plain else ""


def paired_notes(board: Leaderboard) -> list[str]:
    """Return which comparisons are of differences seed by seed, and why."""
    paired = [row.label for row in board.rows if row.paired]
    if not paired:
        return []
    alone = any(test.test == "paired" for test in board.analysis.omnibus.values())
    return [
        f"paired: {listed(paired)} went through the same stage 1 as {board.reference} (their logs "
        "agree), so t is of the differences seed by seed, not Welch's; "
        + (
            "F is its square, as there is no other method to analyse."
            if alone
            else "ANOVA, ranks and letters do not use it."
        )
    ]


def budget_note(board: Leaderboard) -> str:
    """Return whether as much was spent on the settings of every row, and else on which how much."""
    if len(board.budgets) == 1:
        return f"Every row had the same budget: {next(iter(board.budgets))}."
    spent = [
        f"{budget} ({listed(labels, _MOST_OF_A_BUDGET)})"
        for budget, labels in board.budgets.items()
    ]
    return (
        f"Rows had different budgets: {'; '.join(spent)}. A difference between rows of different "
        "budgets is not one of method alone."
    )


def images_notes(images: ImageIntervals) -> list[str]:
    """Return what intervals over test images hold, and what they leave out."""
    if images.frame.empty:
        return [f"No bootstrap over test images: {images.problems[0]}."]
    return [
        f"Over test images: 95 % intervals from {images.resamples:,} test sets drawn within each "
        "domain and class, the same for all methods and seeds; for these trained models, without "
        "the spread over seeds, uncorrected for many comparisons. Worst: bounds for all domains "
        "together.",
        *images_gaps(images),
    ]


def images_gaps(images: ImageIntervals) -> list[str]:
    """Return which intervals over test images there are not."""
    return [
        *(
            [f"No interval of macro-F1: a class has fewer than {FEWEST_OF_CLASS} test images."]
            if images.frame["low"].isna().any()
            else []
        ),
        *(f"Left out over test images: {problem}." for problem in images.problems),
    ]


def content_notes(content: Content) -> list[str]:
    """Return from where a report's runs were joined, and what it passed over."""
    if not content.unreadable:
        return list(content.merged)
    path, reason = content.unreadable[0]
    more = f" (and {len(content.unreadable) - 1} more)" if len(content.unreadable) > 1 else ""
    return [*content.merged, f"Passed over, because it cannot be read: {path}: {reason}{more}."]


def summary_notes(summary: Summary) -> list[str]:
    """Return the test across data sets in words, with what its power allows."""
    result, blocks, notes = summary.result, f"{summary.block}s", []
    if result.reason:
        notes.append(f"No test across {blocks}: {result.reason}.")
    else:
        methods, datasets = result.ranks.shape
        notes.append(
            f"Friedman's χ²({result.df}) = {result.statistic:.2f}, {p_value(result.p)}; by "
            f"permuting ranks within {blocks} {p_value(result.p_permutation)}. Blocks are the "
            f"{datasets} {blocks}, not seeds."
        )
        notes.append(
            f"Nemenyi: mean ranks differ at 5 % when more than {result.critical_difference:.2f} "
            f"apart, of the {methods - 1} possible"
            + (
                f": no two methods can, with so few {blocks}."
                if result.critical_difference >= methods - 1
                else f"; with few {blocks} only large differences pass."
            )
        )
    if result.incomplete:
        notes.append(
            f"Left out, for want of a score on every {summary.block}: "
            + ", ".join(result.incomplete)
            + "."
        )
    notes += [
        f"A data set counts once, whatever its options; not counted: {name}."
        for name in summary.left_out
    ]
    return notes


def _gaps(board: Leaderboard) -> list[str]:
    notes = [*badge_notes(board), *unseen_notes(board)]
    notes += [*transductive_notes(board), *validation_notes(board)]
    notes += [*combined_notes(board), *paired_notes(board), *same_notes(board)]
    notes += [*board.analysis.missing, *_meanings(board)]
    broken = [row for row in board.rows if row.started > row.done]
    if broken:
        gaps = ", ".join(f"{row.label} ({', '.join(_broken(row))})" for row in broken)
        notes.append(
            f"k/N: seeds with a result of seeds run. Without one: {gaps}; the means are over the "
            "other seeds and may flatter."
        )
    unfinished = [f"{r.label} ({r.unfinished})" for r in board.rows if r.unfinished]
    if unfinished and not board.table.joined:
        notes.append(f"Not finished, and not counted: {', '.join(unfinished)}.")
    if twice := [row.label for row in board.rows if row.variant]:
        notes.append(
            f"Of one name but not the same method: {listed(twice)}. A plugin has another version "
            "or content, or a default changed"
            + ("." if board.table.joined else "; the digits begin the name of the runs' folder.")
        )
    notes += _code(board)
    if any(math.isnan(cell.mean) for row in board.rows for cell in row.cells.values()):
        notes.append(
            "—: missing (no run, or no image in that bucket); left out of every aggregate."
        )
    return notes


def unseen_notes(board: Leaderboard) -> list[str]:
    """Return what a table of every unseen domain in turn is made of, and what is missing."""
    if board.table.joined is None:
        return []
    across = [m for m in board.metrics if not m.domain]
    worst = [m.short for m in across if m.name.endswith("_worst")]
    means = [m.short for m in across if m.short not in worst]
    made = [f"{listed(means)}: the mean over the unseen domains"] if means else []
    made += [f"{listed(worst)}: the worst of them"] if worst else []
    return [
        f"{'; '.join(made)}, of each seed. Tests are of these: domains are blocks, so that what "
        "makes one of them hard is in every method alike. They are about these domains, not about "
        "others. Columns of one domain carry no claims.",
        *board.table.joined.missing,
    ]


def _code(board: Leaderboard) -> list[str]:
    """Say so where runs that are compared were made by different code of ltbench itself."""
    table = board.table.trained().every_run
    done = table[table["status"] == "done"]
    # Runs of before it was noted say nothing, and are no reason to say anything.
    found = done["environment"].map(lambda environment: str(environment.get("code") or ""))
    codes = found[found != ""]
    mixed = sorted(codes.groupby(done["label"]).nunique().loc[lambda number: number > 1].index)
    if mixed:
        return [f"Seeds made by different code of ltbench: {listed(mixed, 6)}."]
    if codes.map(lambda code: code.partition("+")[0]).nunique() > 1:
        return ["Some methods were run by other code of ltbench than others."]
    return []


def _meanings(board: Leaderboard) -> list[str]:
    notes = []
    if silent := [m.name for m in board.metrics if m.declared is None]:
        notes.append(
            f"No run says what {listed(silent)} means: more is taken for better, and the numbers "
            "are printed as they are."
        )
    columns = {find_base(m.name, board.disputed): m for m in board.metrics}
    for m in (m for base, m in columns.items() if base is not None):
        way = "less" if m.smaller_is_better else "more"
        notes.append(
            f"The runs disagree about {m.measure} (direction or unit); as most of them say, {way} "
            f"is better{f' and the unit is {m.unit}' if m.unit else ''}."
        )
    return notes


def _broken(row: Row) -> list[str]:
    numbers = {"failed": row.failed, "diverged": row.diverged}
    return [f"{number} {word}" for word, number in numbers.items() if number]
