"""A plugin whose runs do nothing, so that what is left of their time is what a run costs."""

import numpy as np
import torch

from ltbench import hookimpl
from ltbench.api import Algorithm, Backbone, Dataset, Facts, Split


class Flat(Backbone):
    """The mean colour of an image."""

    num_features = 3

    def forward(self, x):
        return x.mean((2, 3))


class Nothing(Algorithm):
    """Learns nothing."""

    def step(self, batch):
        return {"total": torch.zeros(())}


class Pixels(Dataset):
    """Two domains, two classes, one pixel an image."""

    @property
    def facts(self):
        protocol = {"backbone": "flat", "steps": 1, "batch_per_domain": 2, "eval_every": 1}
        return Facts(
            name=self.name,
            title="Pixels",
            domains=("left", "right"),
            classes=("red", "green"),
            size=1,
            many=2,
            few=1,
            protocols={"nothing": protocol},
        )

    def split(self):
        rows = [
            (f"{d}/{c}/{part}", c, d, part)
            for d in range(2)
            for c in range(2)
            for part in ("train", "val", "test")
        ]
        return Split.from_rows(rows, (2, 2))

    def decoder(self, split):
        return lambda i: np.full((1, 1, 3), 60 * split.y[i], dtype=np.uint8)


@hookimpl
def ltbench_backbones(register):
    register("flat", lambda image_shape, pretrained: Flat())


@hookimpl
def ltbench_algorithms(register):
    register("nothing", Nothing)


@hookimpl
def ltbench_datasets(register):
    register("pixels", Pixels)
