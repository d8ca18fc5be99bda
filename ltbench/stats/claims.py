"""Everything one table of results may claim, from its scores.

Under no difference the family-wise error of all the claims together is at most 5 %: the omnibus
tests are one family (Holm over the declared metrics), and nothing else is claimed on a metric
whose omnibus test finds nothing. Where methods do differ, two families remain, each held at 5 %:
all pairs on the primary metric (letters and rank sets), and all methods against the reference on
the declared metrics.

Where the error of the test images is known (:mod:`ltbench.stats.image_errors`), claims are about
test sets of the same make; else about this one test set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ltbench.stats.calibration import DRAWS
from ltbench.stats.groups import Groups, split_by_label
from ltbench.stats.image_errors import ImageErrors
from ltbench.stats.intervals import summarise
from ltbench.stats.letters import compact_letters
from ltbench.stats.omnibus import Omnibus, welch_anova
from ltbench.stats.paired import paired_methods
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
        groups: the scores behind each declared metric, with what is known of their errors.
        over_images: the metrics whose claims cover other test images as well as other seeds.
        missing: what could not be computed and what it would need, in sentences.
    """

    summary: pd.DataFrame
    omnibus: dict[str, Omnibus] = field(default_factory=dict)
    omnibus_holm: dict[str, float] = field(default_factory=dict)
    letters: dict[str, str] = field(default_factory=dict)
    ranks: dict[str, tuple[int, int]] = field(default_factory=dict)
    comparisons: pd.DataFrame = field(default_factory=pd.DataFrame)
    groups: dict[str, Groups] = field(default_factory=dict)
    over_images: tuple[str, ...] = ()
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
    images: ImageErrors | None = None,
    first_stages: Mapping[str, str] | None = None,
    shared: Collection[str] = (),
    draws: int = DRAWS,
) -> Analysis:
    """Analyse the scores of one table.

    Args:
        scores: columns ``label``, ``seed``, ``metric``, ``value``.
        primary: the metric of the letters and rank sets.
        declared: the metrics about which the table makes claims, the primary one among them.
        reference: the method that all others are compared with, or ``None``.
        smaller_is_better: the metrics, such as a loss, of which less is better.
        images: the error of the test images, where it is known of every method.
        first_stages: what was trained first, by method, where some share it.
        shared: the methods whose runs are known to share the first stage of the reference's runs;
            those are compared seed by seed.
        draws: how many times null distributions are drawn.
    """
    claimed = scores[scores["metric"].isin(list(declared))]
    paired = paired_methods(claimed, reference, shared) if reference else frozenset()
    pairs = frozenset(frozenset((str(reference), label)) for label in paired)
    by_metric = {
        metric: replace(
            _with_errors(
                split_by_label(claimed[claimed["metric"] == metric]),
                metric,
                images,
                first_stages or {},
            ),
            pairs=pairs,
        )
        for metric in declared
    }
    of_pairs = draws  # Holm multiplies these, so that they must be finer
    draws = draws_for(by_metric.values(), draws)
    omnibus = {metric: omnibus_test(groups, draws) for metric, groups in by_metric.items()}
    adjusted = holm(np.array([o.p_calibrated for o in omnibus.values()]))
    analysis = Analysis(
        summarise(scores), omnibus, dict(zip(omnibus, adjusted.tolist(), strict=True))
    )
    letters, ranks = _order(
        analysis, by_metric[primary], primary, primary not in smaller_is_better, draws
    )
    comparisons = against_reference(by_metric, reference, of_pairs) if reference else pd.DataFrame()
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
        by_metric,
        tuple(metric for metric, groups in by_metric.items() if groups.images is not None),
        tuple(_missing(by_metric, primary, reference, comparisons)),
    )


def draws_for(by_metric: Collection[Groups], draws: int = DRAWS) -> int:
    """Return how many times null distributions of all methods together are drawn.

    Of many methods so often that p-values are right to the third decimal, which takes seconds.
    """
    many = max((len(groups.names) for groups in by_metric), default=0) > _MANY_METHODS
    return min(draws, 1_999) if many else draws


def with_families(groups: Groups, first_stages: Mapping[str, str]) -> Groups:
    """Return groups that know which of them share a first stage.

    Args:
        groups: the scores of one metric.
        first_stages: what was trained first, by method; empty where none is known.
    """
    if not first_stages:
        return groups
    return replace(groups, families=tuple(first_stages.get(n, n) for n in groups.names))


def _with_errors(
    groups: Groups, metric: str, images: ImageErrors | None, first_stages: Mapping[str, str]
) -> Groups:
    """Return groups that know the error of the test images, and which of them share a stage."""
    groups = with_families(groups, first_stages)
    if images is None or metric not in images.covariances:
        return groups
    place = {name: i for i, name in enumerate(images.names)}
    known = [place.get(name) for name in groups.names]
    if any(i is None for i, n in zip(known, groups.counts, strict=True) if n >= 2):
        return groups
    # Methods that enter no test may be unknown, and have no say.
    chosen = np.array([0 if i is None else i for i in known], dtype=np.intp)
    return replace(groups, images=images.covariances[metric][np.ix_(chosen, chosen)])


def omnibus_test(groups: Groups, draws: int) -> Omnibus:
    """Return Welch's analysis of the methods that have seeds enough, naming all others.

    Args:
        groups: the scores of one metric.
        draws: how many times the null distribution is drawn; see :func:`draws_for`.
    """
    compared = groups.comparable()
    test = welch_anova(compared, draws)
    few = tuple(name for name in groups.names if name not in compared.names)
    return replace(test, left_out=(*test.left_out, *few))


def _order(
    analysis: Analysis, groups: Groups, metric: str, larger_is_better: bool, draws: int
) -> tuple[dict[str, str], dict[str, tuple[int, int]]]:
    usable = groups.comparable()
    if not 2 <= len(usable.names) <= MOST_METHODS or not (usable.variances > 0).any():
        return {}, {}
    listed = int((groups.counts >= 1).sum())
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
        rank_sets(
            means,
            different,
            larger_is_better=larger_is_better,
            untested=listed - len(usable.names),
        ),
    )


def _missing(
    by_metric: dict[str, Groups], primary: str, reference: str | None, comparisons: pd.DataFrame
) -> list[str]:
    groups = by_metric[primary]
    sentences = []
    known = groups.counts >= 1
    tested = groups.comparable().names
    if known.sum() < 2:
        sentences.append("Fewer than two methods have a score here, so nothing is compared.")
    elif len(groups.replicated().names) < 2:
        sentences.append(
            "Fewer than two methods have two seeds or more, so no difference can be tested; "
            "five seeds a method are a sensible least."
        )
    else:
        sentences += _too_few(groups, tested)
    sentences += _constant(by_metric)
    if len(tested) > MOST_METHODS:
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


def _too_few(groups: Groups, tested: Sequence[str]) -> list[str]:
    """Name the methods whose seeds are too few for claims about the whole table."""
    counts = dict(zip(groups.names, groups.counts, strict=True))
    sentences = []
    if single := [name for name, count in counts.items() if count == 1]:
        sentences.append(f"With one seed, no interval and no test: {', '.join(single)}.")
    if two := [name for name, count in counts.items() if count >= 2 and name not in tested]:
        sentences.append(
            f"With two seeds where others have more, in no ANOVA and no rank: {', '.join(two)}."
        )
    if single or two:
        sentences.append("The ranks of the others leave room for methods that have none.")
    return sentences


def _constant(by_metric: dict[str, Groups]) -> list[str]:
    """Name the methods whose seeds all agree, and on which metrics where not on all."""
    agreeing: dict[tuple[str, ...], list[str]] = {}
    for name in dict.fromkeys(name for groups in by_metric.values() for name in groups.names):
        metrics = tuple(
            metric
            for metric, groups in by_metric.items()
            if name in groups.names and groups.variances[groups.names.index(name)] == 0
        )
        if metrics:
            agreeing.setdefault(metrics, []).append(name)
    every = tuple(by_metric)
    return [
        f"All seeds agree{'' if metrics == every else ' on ' + ', '.join(metrics)}, so Welch's "
        f"ANOVA leaves out (and no spread does not mean certainty): {', '.join(names)}."
        for metrics, names in agreeing.items()
    ]
