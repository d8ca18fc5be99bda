"""A data set of random images that takes a blink to train on."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ltbench import __version__
from ltbench.plugins.dataset import Dataset, Decode
from ltbench.plugins.facts import Facts
from ltbench.plugins.hparams import HParams, hparam
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.plugins.split import Split

NAME = "small-mlt"
BACKBONE = "small-cnn"
COUNTS = ((12, 6, 3, 1, 0), (1, 3, 0, 8, 5), (9, 0, 2, 4, 1))
"""Training images per domain and class; pairs are absent, and in the first domain a class is."""

SIZE = 12
VAL, TEST = 2, 3


class SmallDatasetHParams(HParams):
    """Parameters of the small data set."""

    domains: int = hparam(len(COUNTS), low=1, high=len(COUNTS), help="with 1 a class is absent")
    batch: int = hparam(4, low=1, help="images per domain in a batch")


class SmallDataset(Dataset):
    """Random 12×12 images whose brightness depends on class and domain.

    It has up to three domains and five classes, with absent pairs (:data:`COUNTS`), and two
    validation and three test images for each pair.
    """

    HParams = SmallDatasetHParams
    shots: ClassVar[tuple[int, int]] = (8, 3)

    @property
    def facts(self) -> Facts:
        """Domains, classes and a protocol of five steps."""
        return Facts(
            name=self.name,
            title="Random images",
            domains=tuple("abc"[: self.hparams.domains]),
            classes=tuple(map(str, range(len(COUNTS[0])))),
            size=SIZE,
            many=self.shots[0],
            few=self.shots[1],
            protocols={
                "small": {
                    "backbone": BACKBONE,
                    "steps": 5,
                    "batch_per_domain": self.hparams.batch,
                    "optimizer": "adam",
                    "lr": 1e-2,
                    "eval_every": 2,
                }
            },
        )

    def split(self) -> Split:
        """Return the table, the same every time."""
        rows = []
        for d in range(self.hparams.domains):
            for y, train in enumerate(COUNTS[d]):
                for part, number in (("train", train), ("val", VAL), ("test", TEST)):
                    rows += [(f"{d}-{y}-{part}-{i}", y, d, part) for i in range(number)]
        return Split.from_rows(rows, (self.hparams.domains, len(COUNTS[0])))

    def decoder(self, split: Split) -> Decode:
        """Return a function that draws image ``i``, the same every time."""

        def decode(row: int) -> NDArray[np.uint8]:
            centre = 60 + 25 * int(split.y[row]) + 5 * int(split.d[row])
            noise = np.random.default_rng(row).normal(centre, 30, (SIZE, SIZE, 3))
            return noise.clip(0, 255).astype(np.uint8)

        return decode


def register_small_data() -> None:
    """Make the data set ``small-mlt`` and the backbone ``small-cnn`` known to this process."""
    plugins = get_plugins()
    entries = {
        "datasets": Entry("data set", NAME, SmallDataset, "Random images", "ltbench", __version__),
        "backbones": Entry(
            "backbone",
            BACKBONE,
            "ltbench.testing.small_model:SmallBackbone",
            "One convolution",
            "ltbench",
            __version__,
        ),
    }
    for kinds, entry in entries.items():
        if entry.name not in plugins[kinds]:
            plugins[kinds].add(entry)
