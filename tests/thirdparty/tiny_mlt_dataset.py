"""Coloured squares: two domains, three classes, one pair absent from training."""

import numpy as np

from ltbench.api import Dataset, Facts, HParams, Split, hparam

TRAIN = ((12, 5, 2), (3, 9, 0))
DOMAINS = ("bright", "dark")
CLASSES = ("red", "green", "blue")


class TinyParameters(HParams):
    domains: int = hparam(2, low=1, high=2)
    data_seed: int = hparam(0, low=0)


class TinyMLT(Dataset):
    """Coloured squares with noise."""

    HParams = TinyParameters

    @property
    def facts(self):
        protocol = {
            "backbone": "digits-cnn",
            "steps": 12,
            "batch_per_domain": 4,
            "lr": 1e-3,
            "eval_every": 3,
            "augmentation": "crop-flip",
        }
        return Facts(
            name=self.name,
            title="Coloured squares",
            domains=DOMAINS[: self.hparams.domains],
            classes=CLASSES,
            size=12,
            many=8,
            few=3,
            protocols={"tiny": protocol, "long": {**protocol, "steps": 400}},
        )

    def split(self):
        rows = []
        for d, domain in enumerate(self.facts.domains):
            for c, name in enumerate(CLASSES):
                parts = ["train"] * TRAIN[d][c] + ["val"] * 3 + ["test"] * 4
                rows += [(f"{domain}/{name}/{i}", c, d, part) for i, part in enumerate(parts)]
        return Split.from_rows(rows, (len(self.facts.domains), len(CLASSES)))

    def decoder(self, split):
        def decode(i):
            generator = np.random.default_rng([self.hparams.data_seed, i])
            image = generator.integers(0, 120, size=(12, 12, 3))
            image[..., split.y[i]] += 60
            return (image // (1 + split.d[i])).astype(np.uint8)

        return decode
