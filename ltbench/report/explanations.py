"""The notes of a leaderboard at length, for ``--explain``: what the short ones mean, and why."""

from __future__ import annotations

from ltbench.report.content import ImageIntervals, Leaderboard
from ltbench.report.metrics import Metric
from ltbench.report.wording import budget_note, images_gaps, images_notes, listed, own_units

_TUNED = (
    "tuned: what stands in brackets and after the budget, or the defaults, scored best on "
    "validation images among as many trials as are named, at one seed (`ltbench tune`); test "
    "images had no part in it. hparams are the method's own hyper-parameters, other names settings "
    "of the protocol, which the table's heading tells as they were before. In other rows what "
    "stands in brackets was set by hand, and all else is the method's default."
)


def explanations(board: Leaderboard) -> list[str]:
    """Return which tests a table used and what they cannot show, at length."""
    analysis = board.analysis
    notes = [
        "± covers the spread over seeds alone; a finite test set adds an error of its own, which "
        "`--resamples` and `ltbench stats` bootstrap from the predictions.",
        *_scope(board),
    ]
    if board.tuned:
        notes += [_TUNED, budget_note(board)]
    if analysis.ranks:
        notes.append(
            f"rank: the ranks a method could hold on {board.primary.words}, counting only "
            "differences that survive a test of all pairs (Games–Howell's statistic, family-wise "
            "5 %). Methods that share a letter were not told apart; that does not make them equal."
        )
    if any(not test.reason for test in analysis.omnibus.values()):
        notes.append(_calibrated(board))
    if len(analysis.comparisons):
        notes.append(
            f"Against {board.reference}: Welch's t, Holm over all {len(analysis.comparisons)} "
            "comparisons of this table (methods × metrics); ▲ better and ▼ worse than "
            f"{board.reference} at 5 %, claimed only where the analysis of variance finds a "
            f"difference. Differences are in points{own_units(board)}, g is Hedges'. No mark means "
            "not shown, not equal."
        )
    return notes + (images_explained(board.images) if board.images else [])


def _calibrated(board: Leaderboard) -> str:
    return (
        "ANOVA is Welch's one-way analysis of variance, which does not suppose equal variances. "
        "Calibrated p-values draw the test's statistic thousands of times under no difference "
        "(parametric bootstrap), because Welch's F and Games–Howell find too many differences "
        f"at few seeds. Holm is over {listed([m.words for m in board.declared])}; only these carry "
        "claims. ω² estimates the share of the variance that the methods explain. An analysis of "
        "variance does not say which methods differ. `ltbench tables anova` has the classical F "
        "beside Welch's, of every metric."
    )


def _scope(board: Leaderboard) -> list[str]:
    """Return for what claims hold, where there are any tests."""
    by_scope: dict[str, list[str]] = {}
    for metric in board.declared:
        if not board.analysis.omnibus[metric.name].reason:
            by_scope.setdefault(_for_what(board, metric), []).append(metric.words)
    whole = len(by_scope) == 1
    return [
        f"Calibrated p, ranks, letters and marks are about {for_what}"
        + ("" if whole else f" for {listed(metrics)}")
        + (
            " of the same make, by the predictions of all runs."
            if "other test images" in for_what
            else " alone: without the predictions of every run the test set's error is not known, "
            "and methods that are equal may differ on it."
        )
        for for_what, metrics in by_scope.items()
    ]


def _for_what(board: Leaderboard, metric: Metric) -> str:
    if metric.name in board.analysis.over_images:
        return "other seeds and other test images"
    return "other seeds on these test images"


def images_explained(images: ImageIntervals) -> list[str]:
    """Return what intervals over test images hold, and what they leave out, at length."""
    if images.frame.empty:
        return images_notes(images)
    return [
        f"Over test images: 95 % intervals from {images.resamples:,} test sets drawn "
        "from this one within each domain and class, the same for every method and seed (so that "
        "differences are paired). They hold for these trained models: the spread over seeds is not "
        "in them, as the test set's error is not in ±. They are not corrected for many "
        "comparisons. The worst domain's are bounds that hold for all domains together: the least "
        "of several noisy scores is lower than the least of the true ones.",
        *images_gaps(images),
    ]
