"""On an accelerator nothing of the suite's makes the host wait in a step, nor needs float64."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ltbench_augmentations.operations import OPERATIONS, at_once, one_by_one
from ltbench_domains.rsc import quantile
from torch import Tensor

from ltbench.data.augmentation import AugmentationChain
from ltbench.data.normalisation import Normalisation
from ltbench.models.adaptation.adapted import adapted
from ltbench.models.catalogue import build_backbone
from ltbench.plugins.backbone_options import ADAPTERS, checked_options
from ltbench.plugins.manager import get_plugins
from ltbench.testing import build_algorithm, build_stage, random_batch_for, train_info
from ltbench.testing.conformance import find_points, find_subjects
from ltbench.testing.fake_cuda import FakeCuda
from ltbench.testing.point import PASSED, Subject, ask
from ltbench.testing.small_model import SmallTraining
from ltbench.training.memory_format import channels_last


def names(kinds: str) -> list[str]:
    ours = [entry for entry in get_plugins()[kinds] if entry.distribution == "ltbench"]
    return [entry.name for entry in ours]


SMALL_BACKBONES = ["digits-cnn", "digits-cnn-narrow", "resnet32"]
SUBJECTS = [
    *(("algorithm", name) for name in names("algorithms")),
    *(("stage", name) for name in names("stages")),
    *(("augmentation", name) for name in names("augmentations")),
    *(("modifier", name) for name in names("modifiers")),
    *(("backbone", name) for name in names("backbones") if name in SMALL_BACKBONES),
    ("algorithm", "coral[loss=ldam[normalized=true]]"),
    ("algorithm", "brl[balance=weights,distance=moments]"),
    ("algorithm", "groupdro[groups=pair]"),
    ("algorithm", "dann[alternate=true]"),
    ("algorithm", "mtl[reference_noise=true]"),
    ("algorithm", "fishr[anneal=0]"),
    ("algorithm", "lisa[mix=cutmix]"),
    ("algorithm", "balpoe[shared=true,scale=0]"),
    ("algorithm", "ldam[drw=true]"),
    ("algorithm", "gpaco[keys=momentum]"),
    ("algorithm", "proco[estimate=running,width=8]"),
    ("stage", "mislas[shift_bn=false]"),
    ("stage", "weight-balancing[projection=1,loss=binary]"),
    ("augmentation", "randaugment[n=3]"),
    ("modifier", "imbsam[tail=class,eta=6]"),
    ("modifier", "lookahead[k=2]"),
    ("modifier", "swa[start=0.2,cycle=2]"),
    ("modifier", "swad[converge=1]"),
    ("augmentation", "autoaugment[policy=svhn]"),
]


@pytest.mark.parametrize(("kind", "name"), SUBJECTS)
def test_its_steps_never_wait(kind: str, name: str) -> None:
    (entry,) = (entry for entry, _ in find_subjects(name) if entry.kind == kind)
    (point,) = (point for point in find_points(kind) if point.name == "device")
    result = ask(point, Subject(entry, name, Path()))
    assert result.status == PASSED, result.cause


@pytest.mark.parametrize("name", [*names("algorithms"), *(f"+{s}" for s in names("stages"))])
def test_it_predicts_without_waiting_and_takes_no_float64(name: str) -> None:
    info = train_info(steps=1002)
    with FakeCuda() as device:
        model = build_algorithm("erm" if name[0] == "+" else name, info).to("cuda")
        model = build_stage(name[1:], model).to("cuda") if name[0] == "+" else model
        model.generator = torch.Generator("cuda").manual_seed(0)
        batch = random_batch_for(model).to("cuda")
        for step in (0, 501):
            model.before_step(step, SmallTraining(model, batch))
            if model.optimizers:
                model.step(batch)
        assert device.doubles == []
        device.clear()
        with torch.no_grad():
            model.eval().predict(batch.x)
        assert device.waits == device.doubles == []
        views = len(type(model).test_augmentations(model.hparams))
        if views:
            model.before_test(TestImages(batch.x, views))
            assert device.doubles == []


class TestImages:
    """The images of a batch as test images, every view of them the same."""

    __test__ = False

    def __init__(self, x: Tensor, number: int) -> None:
        self.x, self.number = x, number

    def __len__(self) -> int:
        return len(self.x)

    def views(self, batch: int) -> Iterator[tuple[Tensor, ...]]:
        for part in self.x.split(batch):
            yield (part,) * self.number


@pytest.mark.parametrize("kind", [kind for kind in ADAPTERS if kind != "full"])
def test_a_network_of_which_a_part_is_trained_never_waits(kind: str) -> None:
    torch.manual_seed(0)
    whole = build_backbone("test_vit", (3, 32, 32), False)
    backbone = adapted(whole, checked_options({"adapt": kind}, "test_vit"), "test_vit", 10)
    images, classifier = torch.randn(2, 3, 32, 32), torch.nn.Linear(whole.num_features, 4)
    with FakeCuda() as device:
        network = torch.nn.Sequential(backbone, classifier).to("cuda").train()
        x = images.to("cuda")
        device.clear()
        network(x).square().mean().backward()
        assert device.waits == device.doubles == []
        trained = [p for p in backbone.parameters() if p.requires_grad]
        assert bool(trained) != (kind == "head")
        assert all(p.grad is not None for p in trained)


CHAINS = [
    "none",
    "photo>mixup",
    "crop-flip>autoaugment[policy=cifar10]>cutout",
    "imagenet>trivialaugment>random-erasing",
    "randaugment>cutmix",
]


@pytest.mark.parametrize("text", CHAINS)
@pytest.mark.parametrize("stored", [28, 32])
def test_a_batch_is_augmented_and_normalised_without_waiting_from_the_first(
    text: str, stored: int
) -> None:
    facts = SimpleNamespace(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    with FakeCuda() as device:
        chain, normalise = AugmentationChain(text, (3, 28, 28)), Normalisation(facts, "cuda")
        images = torch.randint(256, (12, 3, stored, stored), dtype=torch.uint8, device="cuda")
        sizes, y = torch.full((12, 2), 40, device="cuda"), torch.arange(12, device="cuda")
        device.clear()
        for seed in range(3):
            generator = torch.Generator("cuda").manual_seed(seed)
            x, _ = chain(images, sizes, y, 3, generator)
            x = normalise(x)
        assert device.waits == []
        assert x.shape == (12, 3, 28, 28)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_operations_on_all_images_are_those_on_the_images_that_drew_them(
    channels: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(40, channels, 24, 24, generator=generator)
    drawn = torch.arange(40) % len(OPERATIONS)
    magnitudes = torch.rand(40, generator=generator)
    given = x.clone()
    torch.testing.assert_close(at_once(x, drawn, magnitudes), one_by_one(x, drawn, magnitudes))
    assert x.equal(given)


@pytest.mark.parametrize("level", [0.0, 1 / 3, 0.5, 2 / 3, 0.9, 1.0])
def test_the_quantile_is_numpys(level: float) -> None:
    values = torch.randn(4, 7, dtype=torch.float64)
    expected = np.quantile(values.numpy(), level, axis=1)
    np.testing.assert_allclose(quantile(values, level), expected, atol=1e-12)


def test_channels_go_last_where_there_are_maps_and_the_rest_stays() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 2))
    model.register_buffer("five", torch.zeros(2, 2, 3, 4, 5))
    parameters = list(model.parameters())
    before = [value.clone() for value in parameters]
    channels_last(model)
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert model.five.is_contiguous()
    for one, other, value in zip(parameters, model.parameters(), before, strict=True):
        assert one is other
        assert one.equal(value)
