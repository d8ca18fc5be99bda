"""The images by which an export is held to the model that it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltbench.data.catalogue import open_dataset
from ltbench.errors import LtbenchError
from ltbench.plugins.names import Name
from ltbench.training.trained_model import TrainedModel

IMAGES = 16
"""Images of a sample, at most."""


@dataclass(frozen=True)
class Sample:
    """Images of a data set's test, or made-up ones.

    Attributes:
        images: (H, W, channels) uint8, each of its own size.
        rows: which test images they are, in the order of ``predictions.npz``; empty where they
            are made up.
        why_not: why they are no test images, without a full stop.
    """

    images: tuple[NDArray[np.uint8], ...]
    rows: tuple[int, ...] = ()
    why_not: str = ""


def tested_sample(model: TrainedModel, data_dir: Path) -> Sample:
    """Return test images of a run, spread evenly over all; made-up ones where there are none here.

    Args:
        model: of the run.
        data_dir: the folder of the data sets' files.
    """
    spec = model.spec
    try:
        dataset, split = open_dataset(Name(spec.dataset.name, spec.dataset_options), data_dir)
        if split.sha256 != spec.split:
            return _made_up(model, "the data set here is split otherwise than the run's")
        tested = split.rows("test")
        rows = np.unique(np.linspace(0, len(tested) - 1, IMAGES).round().astype(int))
        decode = dataset.decoder(split)
        images = tuple(_coloured(decode(int(row)), model) for row in tested[rows])
        return Sample(images, tuple(map(int, rows)))
    except LtbenchError as error:
        return _made_up(model, str(error))


def _coloured(pixels: NDArray[np.uint8], model: TrainedModel) -> NDArray[np.uint8]:
    """Return an image with the channels that the network takes."""
    few = pixels.shape[2] == 1 < model.facts.channels
    return pixels.repeat(model.facts.channels, axis=2) if few else pixels


def _made_up(model: TrainedModel, why_not: str) -> Sample:
    """Return smooth images of several sizes, wide rather than tall."""
    rng, side = np.random.default_rng(0), model.stored
    sizes = [(side, side), (side, 2 * side), (3 * side // 4 + 1, side), (side + 7, side + 31)]
    images = []
    for height, width in sizes * (IMAGES // len(sizes)):
        coarse = rng.integers(0, 256, (4, 4, model.facts.channels))
        down, across = (np.minimum(np.arange(n) * 4 // n, 3) for n in (height, width))
        noise = rng.integers(-20, 21, (height, width, model.facts.channels))
        pixels = coarse[down][:, across] + noise
        images.append(pixels.clip(0, 255).astype(np.uint8))
    return Sample(tuple(images), why_not=why_not)
