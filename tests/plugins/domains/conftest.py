"""Small problems on which every number can be worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ltbench.api import Backbone, Batch, TrainInfo

SHAPE = (3, 2, 2)
FEATURES = 4
COUNTS = torch.tensor([[50, 10, 3, 7, 2], [4, 0, 20, 9, 8], [6, 30, 12, 0, 1]])


class TinyBackbone(Backbone):
    num_features = FEATURES

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(SHAPE[0] * SHAPE[1] * SHAPE[2], FEATURES)

    def forward(self, x):
        return self.linear(x.flatten(1))


class NoTraining:
    """Nothing that these methods do before a step needs the training loop."""

    def extract_features(self, part):
        raise AssertionError("a pass over the data was not expected")


def _info(domains=3, steps=5001):
    counts = COUNTS[:domains]
    names = tuple(f"d{k}" for k in range(domains))
    classes = tuple(f"c{k}" for k in range(counts.shape[1]))
    return TrainInfo(
        counts, names, classes, many=20, few=5, steps=steps, batch_per_domain=6, image_shape=SHAPE
    )


def _algorithm(cls, domains=3, steps=5001, seed=0, **options):
    torch.manual_seed(seed)
    hparams = cls.HParams.from_options(options, "it")
    model = cls(TinyBackbone(), _info(domains, steps), hparams).double()
    model.features = model.backbone.forward  # without the cast to float32
    model.generator.manual_seed(1)
    return model


def _batch(domains=3, images=6, seed=0, single_class=False):
    generator = torch.Generator().manual_seed(seed)
    y = [
        torch.multinomial(COUNTS[k].double(), images, replacement=True, generator=generator)
        for k in range(domains)
    ]
    if single_class:
        y = [torch.full((images,), 2) for _ in range(domains)]
    x = torch.randn(domains * images, *SHAPE, generator=generator, dtype=torch.float64)
    return Batch(x, torch.cat(y), torch.arange(domains).repeat_interleave(images))


def _sgd(parameters):
    return torch.optim.SGD(list(parameters), lr=0.1)


def _adam(parameters):
    return torch.optim.Adam(list(parameters), lr=0.01)


def _ready(model, make=_sgd, step=0):
    model.optimizers = model.configure_optimizers(make)
    model.before_step(step, NoTraining())
    return model


@pytest.fixture
def tiny():
    """Builders of the small problem: ``algorithm``, ``batch``, ``info``, ``ready`` and ``make``."""
    return SimpleNamespace(
        algorithm=_algorithm,
        batch=_batch,
        info=_info,
        ready=_ready,
        sgd=_sgd,
        adam=_adam,
        training=NoTraining(),
        counts=COUNTS,
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
