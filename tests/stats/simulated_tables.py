"""Simulated tables of methods that do not differ."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ltbench.stats.claims import Analysis, analyse

METRICS = ("accuracy_average", "accuracy_worst", "macro_f1_average", "macro_f1_worst")


def leaderboard(
    rng: np.random.Generator, methods: int, seeds: int, means: np.ndarray, sds: np.ndarray
) -> pd.DataFrame:
    """Draw correlated metrics, as average and worst accuracy and F1 are."""
    shared = rng.normal(size=(methods, seeds, 1))
    own = rng.normal(size=(methods, seeds, len(METRICS)))
    values = means[:, None, None] + sds[:, None, None] * (0.8 * shared + 0.6 * own)
    index = pd.MultiIndex.from_product(
        [["erm", *(f"m{i}" for i in range(1, methods))], range(seeds), METRICS],
        names=["label", "seed", "metric"],
    )
    return pd.Series(values.ravel(), index=index, name="value").reset_index()


def claims_something(analysis: Analysis) -> bool:
    omnibus = any(analysis.claims(metric) for metric in METRICS)
    letters = len(set(analysis.letters.values())) > 1
    ranks = len(set(analysis.ranks.values())) > 1
    return omnibus or letters or ranks or bool(analysis.comparisons["claimed"].any())


def unequal(
    rng: np.random.Generator,
    seeds: tuple[int, ...],
    sds: np.ndarray,
    *,
    skewed: bool = False,
    shared: float = 0.0,
    family: int = 1,
) -> pd.DataFrame:
    """Draw a table of methods with these numbers of seeds, none better than another.

    Args:
        rng: of the drawing.
        seeds: of each method.
        sds: standard deviation of each method over seeds.
        skewed: draw exponential scores, long to the left, instead of normal ones.
        shared: the share of the variance that methods of one family have in common, seed by seed.
        family: methods of each family, neighbours of each other: a first stage and what follows it.
    """

    def noise(*shape: int) -> np.ndarray:
        return 1 - rng.exponential(size=shape) if skewed else rng.normal(size=shape)

    methods, most = len(seeds), max(seeds)
    values = 0.8 * noise(methods, most, 1) + 0.6 * noise(methods, most, len(METRICS))
    first = 0.8 * noise(methods, most, 1) + 0.6 * noise(methods, most, len(METRICS))
    first = first[np.arange(methods) // family]
    values = np.sqrt(shared) * first + np.sqrt(1 - shared) * values
    values = 0.7 + sds[:, None, None] * values
    names = ["erm", *(f"m{i}" for i in range(1, methods))]
    index = pd.MultiIndex.from_product(
        [names, range(most), METRICS], names=["label", "seed", "metric"]
    )
    frame = pd.Series(values.ravel(), index=index, name="value").reset_index()
    return frame[frame["seed"] < frame["label"].map(dict(zip(names, seeds, strict=True)))]


def rate_of(
    tables: int, seeds: tuple[int, ...], family: int = 1, wide: bool = False, **how: object
) -> float:
    rng = np.random.default_rng([*seeds, family])
    sds = np.where(np.array(seeds) == min(seeds), 0.03 if wide else 0.01, 0.01)
    names = ["erm", *(f"m{i}" for i in range(1, len(seeds)))]
    stages = {name: f"first {i // family}" for i, name in enumerate(names)}
    wrong = 0
    for _ in range(tables):
        analysis = analyse(
            unequal(rng, seeds, sds, family=family, **how),  # type: ignore[arg-type]
            primary=METRICS[0], declared=METRICS, reference="erm", first_stages=stages, draws=399,
        )  # fmt: skip
        wrong += claims_something(analysis)
    return wrong / tables


# Two standard errors of a rate of 5 % over that many leaderboards are allowed above it.
def bound(tables: int) -> float:
    return 0.05 + 2 * float(np.sqrt(0.05 * 0.95 / tables))
