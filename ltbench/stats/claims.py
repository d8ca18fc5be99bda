"""Everything one table of results may claim, from its scores.

Under no difference the family-wise error of all the claims together is at most 5 %: the omnibus
tests are one family (Holm over the declared metrics), and nothing else is claimed on a metric
whose omnibus test finds nothing. Where methods do differ, two families remain, each held at 5 %:
all pairs on the primary metric (letters and rank sets), and all methods against the reference on
the declared metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ltbench.stats.calibration import DRAWS
from ltbench.stats.groups import Groups, split_by_label
from ltbench.stats.intervals import summarise
from ltbench.stats.letters import compact_letters
from ltbench.stats.omnibus import Omnibus, welch_anova
from ltbench.stats.pairwise import MOST_METHODS, all_pairs
from ltbench.stats.rank_sets import rank_sets
from ltbench.stats.reference import against_reference, holm

LEVEL = 0.05
_MANY_METHODS = 30


@dataclass(frozen=True)
class Analysis:
    """What a table shows and claims.

    Attributes:
        summary: n, mean, sd and half-width, indexed by (label, metric).
        omnibus: Welch's ANOVA for each declared metric.
        omnibus_holm: its calibrated p-value after Holm over the declared metrics.
        letters: letters on the primary metric; empty where nothing could be tested.
        ranks: the lowest and highest rank each method could hold on the primary metric.
        comparisons: the rows of :func:`against_reference`, with the column ``claimed``.
        missing: what could not be computed and what it would need, in sentences.
    """

    summary: pd.DataFrame
    omnibus: dict[str, Omnibus] = field(default_factory=dict)
    omnibus_holm: dict[str, float] = field(default_factory=dict)
    letters: dict[str, str] = field(default_factory=dict)
    ranks: dict[str, tuple[int, int]] = field(default_factory=dict)
    comparisons: pd.DataFrame = field(default_factory=pd.DataFrame)
    missing: tuple[str, ...] = ()

    def claims(self, metric: str) -> bool:
        """Return whether the omnibus test allows claims about ``metric``."""
        return self.omnibus_holm.get(metric, np.nan) <= LEVEL


def analyse(
    scores: pd.DataFrame,
    *,
    primary: str,
    declared: Sequence[str],
    reference: str | None,
    smaller_is_better: Sequence[str] = (),
    draws: int = DRAWS,
) -> Analysis:
    """Analyse the scores of one table.

    Args:
        scores: columns ``label``, ``seed``, ``metric``, ``value``.
        primary: the metric of the letters and rank sets.
        declared: the metrics about which the table makes claims, the primary one among them.
        reference: the method that all others are compared with, or ``None``.
        smaller_is_better: the metrics, such as a loss, of which less is better.
        draws: how many times null distributions are drawn.
    """
    by_metric = {metric: split_by_label(scores[scores["metric"] == metric]) for metric in declared}
    if max((len(g.names) for g in by_metric.values()), default=0) > _MANY_METHODS:
        draws = min(draws, 1_999)  # p-values to the third decimal suffice, and take seconds
    omnibus = {metric: welch_anova(groups, draws) for metric, groups in by_metric.items()}
    adjusted = holm(np.array([o.p_calibrated for o in omnibus.values()]))
    analysis = Analysis(
        summarise(scores), omnibus, dict(zip(omnibus, adjusted.tolist(), strict=True))
    )
    letters, ranks = _order(
        analysis, by_metric[primary], primary, primary not in smaller_is_better, draws
    )
    comparisons = against_reference(by_metric, reference) if reference else pd.DataFrame()
    if len(comparisons):
        allowed = comparisons["metric"].map(analysis.claims)
        comparisons["claimed"] = allowed & (comparisons["p_holm"] <= LEVEL)
    return Analysis(
        analysis.summary,
        omnibus,
        analysis.omnibus_holm,
        letters,
        ranks,
        comparisons,
        tuple(_missing(by_metric, primary, reference, comparisons)),
    )


def _order(
    analysis: Analysis, groups: Groups, metric: str, larger_is_better: bool, draws: int
) -> tuple[dict[str, str], dict[str, tuple[int, int]]]:
    usable = groups.replicated()
    if not 2 <= len(usable.names) <= MOST_METHODS or not (usable.variances > 0).any():
        return {}, {}
    means = dict(zip(usable.names, usable.means.tolist(), strict=True))
    different = set()
    if analysis.claims(metric):
        pairs = all_pairs(usable, draws)
        different = {
            frozenset((a, b))
            for a, b, p in zip(pairs["a"], pairs["b"], pairs["p"], strict=True)
            if p <= LEVEL
        }
    order = sorted(means, key=lambda name: means[name], reverse=larger_is_better)
    return (
        compact_letters(order, different),
        rank_sets(means, different, larger_is_better=larger_is_better),
    )


def _missing(
    by_metric: dict[str, Groups], primary: str, reference: str | None, comparisons: pd.DataFrame
) -> list[str]:
    groups = by_metric[primary]
    sentences = []
    known = groups.counts >= 1
    single = [n for n, count in zip(groups.names, groups.counts, strict=True) if count == 1]
    constant = [n for n, v in zip(groups.names, groups.variances, strict=True) if v == 0]
    if known.sum() < 2:
        sentences.append("Fewer than two methods have a score here, so nothing is compared.")
    elif len(groups.replicated().names) < 2:
        sentences.append(
            "Fewer than two methods have two seeds or more, so no difference can be tested; "
            "five seeds a method are a sensible least."
        )
    elif single:
        sentences.append(f"With one seed, no interval and no test: {', '.join(single)}.")
    if constant:
        sentences.append(
            "All seeds agree, so Welch's test leaves out (and ± 0 does not mean certainty): "
            f"{', '.join(constant)}."
        )
    if len(groups.replicated().names) > MOST_METHODS:
        sentences.append(
            f"Rank sets and letters are given for at most {MOST_METHODS} methods; "
            "choose some with --algo."
        )
    if reference is None and known.sum() >= 2:
        sentences.append("Nothing is compared with a reference: it has no run in this table.")
    elif reference and not len(comparisons) and len(groups.replicated().names) >= 2:
        sentences.append(
            f"Nothing is compared with {reference}: it or all others have fewer than two seeds."
        )
    return sentences
