"""How far scores would move with another test set of the same make: a bootstrap over images.

Seeds show how training varies; the test set is the same for all of them, and its finite size adds
an error that no number of seeds removes. Images are drawn anew within each domain and class, the
same ones for every method and seed, so that differences between methods are paired.

Two things are not as a textbook's bootstrap has them. Draws within few images are spread wider
(:attr:`~ltbench.stats.strata.Strata.widening`). And the least of several noisy scores, drawn anew,
is lower still, so that percentiles of the worst domain's score miss it more often than not where
domains are nearly as bad as each other: its interval reaches from the percentile below to the
lowest of bounds above that hold for all domains together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from ltbench.evaluation.classification import Counts
from ltbench.stats.groups import FloatArray
from ltbench.stats.image_errors import METRICS
from ltbench.stats.strata import FEWEST_OF_CLASS, Strata

RESAMPLES = 1_000
_BLOCK = 100
_ENDS = (0.025, 0.975)


def image_bootstrap(
    predictions: Mapping[str, Sequence[Counts]],
    label: Counts,
    domain: Counts,
    reference: str | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Return intervals over test images, for these trained models.

    Percentiles (Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13), within
    0…1; for the worst domain, and differences of it, bounds that hold for all domains together.

    Args:
        predictions: for each method one array (N,) of predicted classes for every seed.
        label: true classes (N,).
        domain: domains (N,).
        reference: the method that differences are taken from, if any.
        resamples: how many test sets are drawn.
        seed: of the drawing.

    Returns:
        One row for each metric and method: ``metric``, ``label``, ``mean`` over seeds, ``low`` and
        ``high`` (95 %), and ``difference``, ``difference_low``, ``difference_high``, from the
        reference (NaN without one). Values in 0…1. Intervals of macro-F1 are NaN where a class has
        fewer than :data:`~ltbench.stats.strata.FEWEST_OF_CLASS` images in a domain. Empty where a
        domain has a single image, by which nothing can be said of its spread.
    """
    strata = Strata.of(label, domain)
    if strata is None:
        return pd.DataFrame()
    classes = 1 + int(max(label.max(), *(p.max() for runs in predictions.values() for p in runs)))
    original = _scores_of_all(predictions, label, domain, np.ones((len(label), 1)), classes)
    drawn: dict[str, list[_Scores]] = {name: [] for name in predictions}
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, _BLOCK):
        weights = _resample(strata, min(_BLOCK, resamples - start), rng)
        for name, scores in _scores_of_all(predictions, label, domain, weights, classes).items():
            drawn[name].append(scores)
    table = _intervals(original, {n: _Scores.joined(d) for n, d in drawn.items()}, reference)
    pairs = np.bincount(domain * classes + label)
    if pairs[pairs > 0].min() < FEWEST_OF_CLASS:
        of_f1 = table["metric"].str.startswith("macro_f1")
        table.loc[of_f1, ["low", "high", "difference_low", "difference_high"]] = np.nan
    return table


@dataclass(frozen=True)
class _Scores:
    """A method's scores on drawn test sets, means over its seeds.

    Attributes:
        values: (metrics, draws).
        seeds: accuracy and macro-F1 of each seed in each domain, (2, seeds, domains, draws).
    """

    values: FloatArray
    seeds: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[_Scores]) -> _Scores:
        """Return the draws of several blocks."""
        values, seeds = ([getattr(part, name) for part in parts] for name in ("values", "seeds"))
        return cls(np.concatenate(values, -1), np.concatenate(seeds, -1))


def _intervals(
    original: Mapping[str, _Scores], drawn: Mapping[str, _Scores], reference: str | None
) -> pd.DataFrame:
    rows = []
    for m, metric in enumerate(METRICS):
        worst = metric.endswith("_worst")
        for name, scores in drawn.items():
            low, high = np.quantile(scores.values[m], _ENDS)
            if worst:
                high = max(high, _highest_worst(original[name], scores, m // 2))
            row = {"metric": metric, "label": name, "mean": original[name].values[m, 0],
                   "low": max(low, 0.0), "high": min(high, 1.0), "difference": np.nan,
                   "difference_low": np.nan, "difference_high": np.nan}  # fmt: skip
            if reference is not None and reference in drawn and name != reference:
                row["difference"] = row["mean"] - original[reference].values[m, 0]
                apart = np.quantile(scores.values[m] - drawn[reference].values[m], _ENDS)
                if worst and apart[0] < apart[1]:
                    apart = _worst_apart(original, drawn, name, reference, m // 2)
                row["difference_low"], row["difference_high"] = apart
            rows.append(row)
    return pd.DataFrame(rows)


def _highest_worst(original: _Scores, drawn: _Scores, base: int) -> float:
    """Return what the worst domain's score is at most: the least of bounds that hold together.

    Each domain's bound lies as many standard errors above its score as no domain's score was drawn
    too low by in 97.5 % of the draws. The mean over seeds.
    """
    pairs = zip(original.seeds[base], drawn.seeds[base], strict=True)
    return float(np.mean([_bounds(center, draws)[1].min() for center, draws in pairs]))


def _worst_apart(
    original: Mapping[str, _Scores],
    drawn: Mapping[str, _Scores],
    name: str,
    reference: str,
    base: int,
) -> tuple[float, float]:
    """Return bounds of the difference of two methods' worst domains, the means over seeds.

    The difference of the least a(d) and the least b(e) is the least over d of the greatest over e
    of a(d) − b(e), and the other way round; bounds of these that hold together bound it as well.
    """
    found = []
    others = original[reference].seeds[base], drawn[reference].seeds[base]
    for r, (center, draws) in enumerate(
        zip(original[name].seeds[base], drawn[name].seeds[base], strict=True)
    ):
        center_b, draws_b = (each[r % len(each)] for each in others)
        low, high = _bounds(
            (center[:, None] - center_b[None]).reshape(-1, 1),
            (draws[:, None] - draws_b[None]).reshape(-1, draws.shape[-1]),
        )
        square = len(center), len(center_b)
        found.append(
            (low.reshape(square).min(axis=0).max(), high.reshape(square).max(axis=1).min())
        )
    low, high = np.mean(found, axis=0)
    return float(low), float(high)


def _bounds(center: FloatArray, draws: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper bounds, (values,), of which each side holds together in 97.5 %.

    Args:
        center: the values, (values, 1).
        draws: of the values, (values, draws).
    """
    error = draws.std(axis=1, keepdims=True)
    off = np.divide(draws - center, error, out=np.zeros_like(draws), where=error > 0)
    below = np.quantile(off.max(axis=0), _ENDS[1])
    above = -np.quantile(off.min(axis=0), _ENDS[0])
    return (center - below * error)[:, 0], (center + above * error)[:, 0]


def _resample(strata: Strata, draws: int, rng: np.random.Generator) -> FloatArray:
    """Return the weight of each image in drawn test sets, (N, draws)."""
    order = np.argsort(strata.number, kind="stable")
    size = np.repeat(strata.size, strata.size)
    start = np.repeat(np.cumsum(strata.size) - strata.size, strata.size)
    widening = strata.widening[strata.number]
    n = len(order)
    weights = np.empty((n, draws))
    for b in range(draws):
        chosen = start + (rng.random(n) * size).astype(np.int64)
        weights[order, b] = np.bincount(chosen, minlength=n)
    return np.asarray(1 + widening[:, None] * (weights - 1))


def _scores_of_all(
    predictions: Mapping[str, Sequence[Counts]],
    label: Counts,
    domain: Counts,
    weights: FloatArray,
    classes: int,
) -> dict[str, _Scores]:
    """Return for each method its scores on test sets of these weights."""
    scores = {}
    for name, runs in predictions.items():
        seeds = np.stack([_scores(p, label, domain, weights, classes) for p in runs], axis=1)
        each = np.stack([seeds.mean(2), seeds.min(2)], axis=1)  # (2, average and worst, seeds, …)
        values = each.mean(2).reshape(len(METRICS), -1)
        scores[name] = _Scores(values, seeds)
    return scores


def _scores(
    prediction: Counts, label: Counts, domain: Counts, weights: FloatArray, classes: int
) -> FloatArray:
    """Return accuracy and macro-F1 of one run in each domain that has images, (2, D, draws)."""
    domains = int(domain.max()) + 1
    cells, draws = domains * classes, weights.shape[1]
    right = np.flatnonzero(prediction == label)
    hits = _sums(domain * classes + label, right, cells, weights)
    predicted = _sums(domain * classes + prediction, np.arange(len(label)), cells, weights)
    actual = np.bincount(domain * classes + label, minlength=cells)[:, None]
    both = predicted + actual
    f1 = np.divide(2 * hits, both, out=np.zeros_like(hits), where=(actual > 0) & (both > 0))
    f1 = np.clip(f1, 0.0, 1.0)  # weights of few images may be negative
    shape = (domains, classes, draws)
    present = (actual > 0).reshape(domains, classes).sum(1)
    images = actual.reshape(domains, classes).sum(1)
    tested = images > 0
    accuracy = hits.reshape(shape).sum(1)[tested] / images[tested, None]
    macro = f1.reshape(shape).sum(1)[tested] / present[tested, None]
    return np.stack([accuracy, macro])


def _sums(cell: Counts, images: Counts, cells: int, weights: FloatArray) -> FloatArray:
    """Return the weights of some images summed by cell, (cells, draws)."""
    ones = np.ones(len(images))
    table = sparse.csr_array((ones, (cell[images], images)), shape=(cells, len(cell)))
    return np.asarray(table @ weights)
