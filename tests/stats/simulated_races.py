"""Races of methods whose true scores are known: how often the best is dropped, and seeds saved.

``python tests/stats/simulated_races.py`` prints the tables of docs/race.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import stdtrit

from ltbench.stats.race import FIRST_LOOK, SPENT

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

COLLAPSING = np.sqrt(1 + 60**2 * 0.05 * 0.95)
"""The deviation of scores that deviate by 1, and fall by 60 in one of 20 seeds."""


def _collapses(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Return scores of which one of 20 is 60 deviations of the others below them."""
    fell = rng.random(size) < 0.05
    return np.asarray((rng.standard_normal(size) - 60 * (fell - 0.05)) / COLLAPSING)


SHAPES: dict[str, Draw] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "heavy tails": lambda rng, size: rng.standard_t(3, size) / np.sqrt(3),
    "skewed up": lambda rng, size: rng.exponential(1, size) - 1,
    "skewed down": lambda rng, size: 1 - rng.exponential(1, size),
    "collapses": _collapses,
}
"""Scores of one seed, of mean 0 and deviation 1."""

METHODS = (2, 3, 5, 8, 16)
EQUAL = {
    "normal, as good seeds for all": (("normal", 2.0), ("normal", 2.0), 0.5),
    "heavy tails, the best varies most": (("heavy tails", 3.0), ("heavy tails", 1.0), 0.0),
    "normal, the best varies most": (("normal", 3.0), ("normal", 1.0), 0.0),
    "normal best, skewed rivals": (("normal", 1.0), ("skewed down", 3.0), 0.0),
    "skewed up, rivals skewed down": (("skewed up", 2.0), ("skewed down", 2.0), 0.0),
    "the same, the best varies most": (("skewed up", 3.0), ("skewed down", 1.0), 0.0),
}
"""All methods equally good: shape and deviation of one, of the others, and their correlation."""

BEYOND = {
    "normal best, rivals collapse by 60 in 1 of 20 seeds": (
        ("normal", 1.0), ("collapses", COLLAPSING), 0.0
    ),
}  # fmt: skip
"""The same, of scores that the promise is not made for: few seeds do not show their mean."""


def equal_methods(name: str, methods: int, races: int, seeds: int) -> np.ndarray:
    """Return the scores of races between methods whose true scores are equal.

    Returns:
        Array (races, methods, seeds) in points.
    """
    rng = np.random.default_rng([methods, *name.encode()])
    (own, sd), (others, others_sd), shared = (EQUAL | BEYOND)[name]
    first = sd * SHAPES[own](rng, (races, 1, seeds))
    rest = others_sd * SHAPES[others](rng, (races, methods - 1, seeds))
    noise = np.concatenate([first, rest], axis=1)
    common = rng.standard_normal((races, 1, seeds)) * (sd if shared else 0.0)
    return np.asarray(np.sqrt(1 - shared) * noise + np.sqrt(shared) * common)


def many_races(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`ltbench.stats.race.race` returns of many races, computed at once.

    Args:
        scores: array (races, methods, seeds).

    Returns:
        Which methods are left, and how many seeds each was given: arrays (races, methods).
    """
    races, methods, most = scores.shape
    left, used = np.ones((races, methods), bool), np.zeros((races, methods), int)
    variances = np.zeros((races, methods, methods))
    upper = np.triu_indices(methods, 1)
    for seeds in range(1, most + 1):
        going = left & (left.sum(axis=1) > 1)[:, None]
        used[going] = seeds
        if seeds < FIRST_LOOK:
            continue
        known = scores[:, :, :seeds]
        means = known.mean(axis=2)
        apart = known - means[:, :, None]
        products = apart @ apart.transpose(0, 2, 1)
        squares = np.einsum("rii->ri", products)
        new = (squares[:, :, None] + squares[:, None] - 2 * products) / (seeds - 1)
        both = going[:, :, None] & going[:, None]
        variances = np.where(both, new, variances)
        spread = np.quantile(variances[:, upper[0], upper[1]], 0.9, axis=1)
        believed = np.maximum(variances, spread[:, None, None])
        freedom = (used - 1).sum(axis=1) * (methods - 1) / methods
        look = seeds - FIRST_LOOK + 1
        quantile = -stdtrit(freedom, SPENT / (look * (look + 1)) / (methods - 1))
        reach = quantile[:, None, None] * np.sqrt(believed / seeds)
        beaten = both & (means[:, None] - means[:, :, None] > reach)
        left &= ~beaten.any(axis=2)
    return left, used


def dropped_best(scores: np.ndarray) -> float:
    """Return the share of races that drop the first method, which nobody is better than."""
    return float((~many_races(scores)[0][:, 0]).mean())


def different_methods(gaps: Sequence[float], races: int, seeds: int) -> np.ndarray:
    """Return scores of methods so many points below the best; seeds deviate by 1 to 3 points."""
    rng = np.random.default_rng(len(gaps))
    sds = rng.uniform(1, 3, (races, len(gaps), 1))
    own = rng.standard_normal((races, len(gaps), seeds))
    common = rng.standard_normal((races, 1, seeds))
    noise = sds * (np.sqrt(0.8) * own + np.sqrt(0.2) * common)
    return np.asarray(noise - np.asarray(gaps)[None, :, None])


def outcome(scores: np.ndarray) -> dict[str, float]:
    """Return the mean number of runs, and the shares that decide, keep and name the best."""
    left, used = many_races(scores)
    until = np.where(left, used, 0).max(axis=1)
    sums = np.cumsum(scores, axis=2)[np.arange(len(scores)), :, until - 1]
    leader = np.where(left, sums, -np.inf).argmax(axis=1)
    return {
        "runs": float(used.sum(axis=1).mean()),
        "decided": float((left.sum(axis=1) == 1).mean()),
        "kept": float(left[:, 0].mean()),
        "named": float((leader == 0).mean()),
    }


GAPS = {
    "0 to 20 points, evenly": np.linspace(0, 20, 8),
    "0 to 10 points, evenly": np.linspace(0, 10, 8),
    "two within 0.3, others 3 to 10 below": np.r_[0, 0.3, np.linspace(3, 10, 6)],
    "one leads by 8": np.r_[0, np.full(7, 8.0)],
    "all equal": np.zeros(8),
}


def main() -> None:
    """Print both tables."""
    races = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(f"The best is dropped, % of {races:,} races of at most 10 seeds:\n")
    print("| scores | " + " | ".join(f"{m} methods" for m in METHODS) + " |")
    print("|---|" + "---|" * len(METHODS))
    for name in EQUAL | BEYOND:
        shares = [dropped_best(equal_methods(name, m, races, 10)) for m in METHODS]
        print(f"| {name} | " + " | ".join(f"{100 * s:.1f}" for s in shares) + " |", flush=True)
    print("\nEight methods; five seeds for all are 40 runs, ten are 80:\n")
    print("| true differences | at most | runs | best named | by all seeds | one left |")
    print("|---|---|---|---|---|---|")
    for name, gaps in GAPS.items():
        for seeds in (5, 10):
            scores = different_methods(gaps, races, seeds)
            found = outcome(scores)
            everybody = float((scores.mean(axis=2).argmax(axis=1) == 0).mean())
            shares = " | ".join(
                f"{100 * s:.0f} %" for s in (found["named"], everybody, found["decided"])
            )
            print(f"| {name} | {seeds} | {found['runs']:.0f} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
