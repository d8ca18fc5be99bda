"""The page on speed shows the figures that were measured, beside plain loops that do the same."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from ltbench.models.digits_cnn import NarrowDigitsCNN
from ltbench.plugins.batch import Batch
from ltbench.plugins.resolve import resolve
from ltbench.testing.small_model import train_info

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from page import FIGURES, PAGE, PLACE, filled
from plain import LOSSES, Plain

COUNTS = [[9, 6, 3], [5, 8, 2]]


@pytest.fixture
def images() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    classes = [torch.arange(3).repeat_interleave(torch.tensor(row)) for row in COUNTS]
    d = torch.arange(2).repeat_interleave(torch.tensor([18, 15]))
    return torch.randint(0, 256, (33, 3, 28, 28), dtype=torch.uint8), torch.cat(classes), d


def test_the_page_shows_the_figures() -> None:
    figures, page = json.loads(FIGURES.read_text()), PAGE.read_text()
    assert page == filled(page, figures)
    assert figures.keys() <= {place[1] for place in PLACE.findall(page)}


@pytest.mark.parametrize("name", ["erm", "focal", "reweight", "bsoftmax", "ldam", "coral", "mmd"])
def test_plain_losses_are_those_of_the_algorithms(name: str, images) -> None:
    x, y, d = images
    cls, hparams = resolve("algorithms", name, {})
    model = cls(
        NarrowDigitsCNN((3, 28, 28)), train_info(COUNTS, steps=5, batch_per_domain=6), hparams
    )
    plain = Plain(model.backbone, x, y, d, batch=6, lr=1e-3)
    plain.classifier.load_state_dict(
        {key.rpartition(".")[2]: value for key, value in model.classifier.state_dict().items()}
    )
    parts = [(plain.normalise(x[d == k][::3]), y[d == k][::3]) for k in range(2)]
    parts = [(x[:5], y[:5]) for x, y in parts]
    joined = [torch.cat(both) for both in zip(*parts, strict=True)]
    batch = Batch(*joined, torch.arange(2).repeat_interleave(5), 2)
    ours = model.loss(batch)
    total = ours if isinstance(ours, torch.Tensor) else ours["total"]
    torch.testing.assert_close(LOSSES[name](plain, parts), total)


@pytest.mark.parametrize("name", LOSSES)
def test_plain_steps_train(name: str, images) -> None:
    plain = Plain(NarrowDigitsCNN((3, 28, 28)), *images, batch=4, lr=1e-3)
    before = nn.utils.parameters_to_vector(plain.network.parameters()).clone()
    for _ in range(2):
        plain.step(LOSSES[name])
    after = nn.utils.parameters_to_vector(plain.network.parameters())
    assert math.isfinite(float(after.sum().detach()))
    assert not after.equal(before)
