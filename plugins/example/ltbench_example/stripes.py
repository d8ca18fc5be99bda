"""A data set: which images there are, and how one is decoded. Nothing here imports torch."""

import numpy as np

from ltbench.api import Dataset, Facts, HParams, Split, hparam

DOMAINS = ("clean", "noisy")
CLASSES = ("rows", "columns", "checks")
TRAIN = ((40, 16, 4), (6, 20, 0))  # training images per domain and class: long-tailed, one absent
VAL, TEST = 8, 16
SIZE = 12


class StripesHParams(HParams):
    """Typed as ``stripes[data_seed=1]``."""

    data_seed: int = hparam(0, low=0, help="chooses the images")


class Stripes(Dataset):
    """Rows, columns and checks, clean and noisy. Source: this file draws them."""

    HParams = StripesHParams

    @property
    def facts(self):
        """What is known before any image is read."""
        return Facts(
            name=self.name,
            title="Stripes: rows, columns and checks",
            domains=DOMAINS,
            classes=CLASSES,
            size=SIZE,
            channels=1,
            many=30,  # pairs of domain and class with more training images are many-shot
            few=5,  # and those with at most this many few-shot
            # How algorithms are compared on it, unless ``ltbench run`` is told otherwise.
            protocols={
                "stripes": {
                    "backbone": "digits-cnn",
                    "steps": 60,
                    "batch_per_domain": 16,
                    "lr": 3e-3,
                    "eval_every": 20,
                }
            },
        )

    def split(self):
        """Return one row for each image: its name, class, domain and part."""
        rows = []
        for d, domain in enumerate(DOMAINS):
            for c, name in enumerate(CLASSES):
                for part, number in (("train", TRAIN[d][c]), ("val", VAL), ("test", TEST)):
                    rows += [(f"{domain}/{name}/{part}-{i}", c, d, part) for i in range(number)]
        return Split.from_rows(rows, (len(DOMAINS), len(CLASSES)))

    def decoder(self, split):
        """Return a function that gives image ``i`` as (height, width, channels) bytes."""

        def decode(i):
            # A generator of its own for each image: the same image in every run and process. A
            # global generator would hang on the run's seed, and seeds could not be compared.
            generator = np.random.default_rng([self.hparams.data_seed, i])
            y, x = np.indices((SIZE, SIZE)) + generator.integers(0, 4, (2, 1, 1))
            bright = (y // 2 % 2, x // 2 % 2, (y // 2 + x // 2) % 2)[split.y[i]]
            noise = generator.normal(0, (10, 60)[split.d[i]], (SIZE, SIZE))
            return (80 + 90 * bright + noise).clip(0, 255).astype(np.uint8)[..., None]

        return decode
