"""Which images stand in which batch: a pure function of the seed and the step.

Nothing is remembered between steps, so a resumed run draws what an uninterrupted one draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ltbench.errors import DataError, PluginError
from ltbench.plugins.split import Split

Rows = NDArray[np.int64]
Sampler = Callable[[int], Rows]
"""Returns the split's rows of the batch of a step, domain after domain."""

SAMPLINGS = ("uniform", "class-balanced", "reversed")


def make_sampler(kind: str, split: Split, per_domain: int, seed: int) -> Sampler:
    """Return the sampler ``uniform``, ``class-balanced`` or ``reversed`` over the training images.

    Args:
        kind: ``uniform`` walks through a fresh permutation of each domain per epoch;
            ``class-balanced`` draws a class of the domain, then one of its images, with
            replacement; ``reversed`` does too, with classes likely by one over the number of their
            images in the domain, p_c = n_c⁻¹ / Σ_k n_k⁻¹ (Zhou et al., "BBN", CVPR 2020,
            arXiv:1912.02413, section 4.2).
        split: the table; domains without training images are left out.
        per_domain: images per domain in a batch.
        seed: all draws derive from it, 0 or more.

    Raises:
        PluginError: ``kind`` is none of them.
        DataError: there is no training image at all.
    """
    rows = split.rows("train")
    domains = [rows[split.d[rows] == d] for d in range(split.shape[0])]
    draws = [
        _draw(kind, of_domain, split.y[of_domain], per_domain, [seed, d])
        for d, of_domain in enumerate(domains)
        if len(of_domain)
    ]
    if not draws:
        raise DataError("the split has no training image")
    return lambda step: np.concatenate([draw(step) for draw in draws])


def _draw(kind: str, rows: Rows, y: Rows, count: int, key: list[int]) -> Sampler:
    if kind == "uniform":
        return _Permutations(rows, count, key)
    if kind == "class-balanced":
        by_class = [rows[y == c] for c in np.unique(y)]
        return lambda step: _balanced(by_class, count, np.random.default_rng([*key, step]))
    if kind == "reversed":
        by_class = [rows[y == c] for c in np.unique(y)]
        rarity = 1 / np.array([len(of_class) for of_class in by_class])
        shares = rarity / rarity.sum()
        return lambda step: _weighted(by_class, shares, count, np.random.default_rng([*key, step]))
    raise PluginError(
        f"there is no sampling '{kind}': use 'uniform' or 'class-balanced' or 'reversed'"
    )


def joined(samplers: Sequence[Sampler]) -> Sampler:
    """Return a sampler of the rows of several samplers, one behind the other."""
    if len(samplers) == 1:
        return samplers[0]
    return lambda step: np.concatenate([sampler(step) for sampler in samplers])


class _Permutations:
    """Walks through one permutation after another; batches run on over their borders."""

    def __init__(self, rows: Rows, count: int, key: list[int]) -> None:
        self.rows, self.count, self.key = rows, count, key
        self.epoch, self.order = -1, rows

    def __call__(self, step: int) -> Rows:
        places = np.arange(step * self.count, (step + 1) * self.count)
        epochs, offsets = np.divmod(places, len(self.rows))
        return np.concatenate(
            [self._permutation(epoch)[offsets[epochs == epoch]] for epoch in np.unique(epochs)]
        )

    def _permutation(self, epoch: int) -> Rows:
        if epoch != self.epoch:
            generator = np.random.default_rng([*self.key, int(epoch)])
            self.epoch, self.order = int(epoch), generator.permutation(self.rows)
        return self.order


def _balanced(by_class: list[Rows], count: int, generator: np.random.Generator) -> Rows:
    return _of_classes(by_class, generator.integers(len(by_class), size=count), generator)


def _weighted(
    by_class: list[Rows], shares: NDArray[np.float64], count: int, generator: np.random.Generator
) -> Rows:
    classes = generator.choice(len(by_class), size=count, p=shares)
    return _of_classes(by_class, classes, generator)


def _of_classes(by_class: list[Rows], classes: Rows, generator: np.random.Generator) -> Rows:
    """Return for each of some classes one of its images, all of them equally likely."""
    count = len(classes)
    sizes = np.array([len(rows) for rows in by_class])
    offsets = (generator.random(count) * sizes[classes]).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return np.concatenate(by_class)[starts[classes] + offsets]
