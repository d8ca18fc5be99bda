"""Small problems on which every number can be worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ltbench.api import Backbone, Batch, TrainInfo

SHAPE = (3, 6, 6)
COUNTS = torch.tensor([[50, 10, 3, 7, 2], [4, 0, 20, 9, 8], [6, 30, 12, 0, 1]])


class TinyBackbone(Backbone):
    """Three convolutions and a pool; the second is the middle."""

    num_features = 4

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 3, 1), nn.Tanh(), nn.Conv2d(3, 5, 3), nn.Tanh(), nn.Conv2d(5, 4, 2)
        )

    def forward(self, x):
        return self.layers(x).tanh().mean((2, 3))


class Training:
    """Gives prepared features for a pass over the data, and counts the passes."""

    def __init__(self):
        self.passes = []
        self.found = None

    def extract_features(self, part):
        self.passes.append(part)
        return self.found


def _info(counts, steps):
    domains, classes = counts.shape
    return TrainInfo(
        counts,
        tuple(f"d{k}" for k in range(domains)),
        tuple(f"c{k}" for k in range(classes)),
        many=20,
        few=5,
        steps=steps,
        batch_per_domain=6,
        image_shape=SHAPE,
    )


def _algorithm(cls, counts=COUNTS, steps=5001, seed=0, **options):
    torch.manual_seed(seed)
    hparams = cls.HParams.from_options(options, "it")
    model = cls(TinyBackbone(), _info(counts, steps), hparams).double()
    model.features = model.backbone.__call__  # without the cast to float32
    model.generator.manual_seed(1)
    return model


def _batch(counts=COUNTS, images=6, seed=0, single_class=False):
    generator = torch.Generator().manual_seed(seed)
    rows = [
        torch.multinomial(row.double(), images, replacement=True, generator=generator)
        for row in counts
    ]
    if single_class:
        rows = [torch.full((images,), 2) for _ in rows]
    x = torch.randn(len(rows) * images, *SHAPE, generator=generator, dtype=torch.float64)
    return Batch(x, torch.cat(rows), torch.arange(len(rows)).repeat_interleave(images))


def _ready(model, make=lambda p: torch.optim.SGD(list(p), lr=0.1)):
    model.optimizers = model.configure_optimizers(make)
    return model


@pytest.fixture
def tiny():
    """Builders of the small problem: ``algorithm``, ``batch``, ``ready`` and ``training``."""
    return SimpleNamespace(
        algorithm=_algorithm,
        batch=_batch,
        ready=_ready,
        training=Training(),
        counts=COUNTS,
        info=_info,
    )


@pytest.fixture
def cross_entropies():
    """NumPy-only cross-entropy of each image: ``(logits, y) -> (N,)``."""
    import numpy as np

    def compute(logits, y):
        logits = np.asarray(logits, dtype=np.float64)
        shifted = logits - logits.max(1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        return -log_probabilities[np.arange(len(y)), np.asarray(y)]

    return compute
