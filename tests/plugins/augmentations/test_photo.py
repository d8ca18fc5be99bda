"""The two ways to apply the augmentation of photographs give the same values, on any device."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ltbench_augmentations import cutmix, mixup
from ltbench_augmentations.photo import Photo, PhotoDraws
from scipy import stats
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ltbench.data.augmentation import AugmentationChain

PHOTO, IMAGENET = (
    AugmentationChain(name, (3, 32, 32)).parts[0].photo for name in ("photo", "imagenet")
)
assert isinstance(PHOTO, Photo)
CLOSE = 1e-5


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int, channels: int, stored: int, seed: int = 0) -> torch.Tensor:
    shape = (n, channels, stored, stored)
    return torch.randint(0, 256, shape, generator=seeded(seed), dtype=torch.uint8)


def check_same(photo: Photo, images: torch.Tensor, draws: PhotoDraws, side: int) -> None:
    one, all_ = photo.one_by_one(images, draws, side), photo.at_once(images, draws, side)
    assert one.shape == all_.shape == (*images.shape[:2], side, side)
    assert torch.allclose(one, all_, rtol=0, atol=CLOSE)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sides=st.tuples(st.integers(1, 60), st.integers(2, 48)),
    channels=st.sampled_from([1, 3]),
    pixels=st.sampled_from(["noise", "pure", "grey"]),
    photo=st.sampled_from([PHOTO, IMAGENET, Photo((0.01, 1), (0, 1, 1, 0.5), 0.5)]),
)
def test_one_by_one_and_at_once_are_the_same(seed, sides, channels, pixels, photo) -> None:
    stored, side = sides
    images = noise(5, channels, stored, seed)
    if pixels == "pure":
        images = (images > 127).to(torch.uint8) * 255
    elif pixels == "grey":
        images = images[:, :1].expand(-1, channels, -1, -1)
    sizes = torch.randint(1, 900, (5, 2), generator=seeded(seed))
    check_same(photo, images, photo.draw(sizes, stored, seeded(seed)), side)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_order_of_the_jitters_is_the_same(channels: int) -> None:
    orders = torch.tensor(list(itertools.permutations(range(4))))
    n = len(orders)
    draws = PHOTO.draw(torch.full((n, 2), 40), 40, seeded())._replace(orders=orders)
    images = noise(1, channels, 40).expand(n, -1, -1, -1)
    check_same(PHOTO, images, draws, 24)
    found = PHOTO.at_once(images, draws._replace(**_shared(draws)), 24)
    distinct = {image.numpy().tobytes() for image in found}
    assert len(distinct) == (n if channels == 3 else 2), "the order matters to what comes out"


def _shared(draws: PhotoDraws) -> dict[str, torch.Tensor]:
    """Give all images the parameters of one, apart from the order."""
    factors = torch.tensor([[1.2, 0.75, 1.3, 0.2]])
    one = {"boxes": draws.boxes[:1], "factors": factors}
    n = len(draws.boxes)
    none = torch.zeros(n, dtype=torch.bool)
    return {**{k: v.expand(n, -1) for k, v in one.items()}, "flips": none, "grey": none}


@pytest.mark.parametrize(
    "box", [[0, 0, 1, 1], [39, 39, 40, 40], [0, 7, 40, 8], [12, 0, 13, 40], [0, 0, 40, 40]]
)
@pytest.mark.parametrize("side", [2, 40, 100])
def test_extreme_crops_are_the_same(box: list[int], side: int) -> None:
    draws = PHOTO.draw(torch.full((6, 2), 40), 40, seeded())
    draws = draws._replace(boxes=torch.tensor([box] * 6))
    check_same(PHOTO, noise(6, 3, 40), draws, side)


def test_orders_of_the_jitters_are_drawn_for_each_image() -> None:
    orders = PHOTO.draw(torch.full((4800, 2), 64), 64, seeded()).orders
    ranks = {order: i for i, order in enumerate(itertools.permutations(range(4)))}
    counts = np.bincount([ranks[tuple(order)] for order in orders.tolist()], minlength=24)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_what_is_drawn_on_the_cpu_never_changes() -> None:
    """Runs of older versions are resumed with it."""
    draws = PHOTO.draw(torch.tensor([[375, 500], [64, 64], [900, 300]]), 288, seeded(7))
    assert draws.boxes.tolist() == [[14, 5, 270, 284], [24, 0, 274, 288], [0, 80, 288, 208]]
    assert draws.flips.tolist() == [True, True, False]
    assert draws.orders.tolist() == [[0, 1, 3, 2], [2, 3, 0, 1], [2, 3, 1, 0]]
    assert draws.grey.tolist() == [True, False, False]
    factors = [
        [1.17266, 1.0042, 0.8833, 0.16426],
        [0.83555, 0.92958, 1.28301, 0.05525],
        [1.02114, 1.10113, 0.92684, 0.25667],
    ]
    assert torch.allclose(draws.factors, torch.tensor(factors), atol=1e-5)


class Copies(TorchDispatchMode):
    """Notes copies between host and device, for which the host waits."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = filter(torch.is_tensor, tree_leaves((args, kwargs, out)))
        name = str(func)
        # Elsewhere a host's tensor is a number, which travels as an argument of the kernel.
        copies = name.startswith(("aten._to_copy", "aten.copy_"))
        if copies and len({tensor.device.type for tensor in tensors}) > 1:
            self.seen.append(name)
        return out


class DeviceGenerator(torch.Generator):
    """Says that it is on the device, which is not there."""

    device = torch.device("cuda", 0)


def waits_of(augment) -> list[str]:
    """Apply an augmentation to images on a device that is made up; return what would wait."""
    with FakeTensorMode(allow_non_fake_inputs=True), Copies() as copies:
        images = torch.empty(6, 3, 48, 48, dtype=torch.uint8, device="cuda")
        sizes = torch.ones(6, 2, dtype=torch.int64, device="cuda")
        try:
            found = augment(images, sizes, 32, DeviceGenerator())
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            return [str(error)]
        assert found.device.type == "cuda"
        assert found.shape == (6, 3, 32, 32)
    return copies.seen


def _uniform(alpha: float, count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator, device=generator.device)


WITHOUT_WAITING = (
    "none", "crop-flip", "photo", "imagenet", "random-erasing", "cutout", "mixup", "cutmix",
)  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_WAITING)
def test_nothing_waits_for_the_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mixup, cutmix):  # torch cannot pretend to run this sampler, which does not wait
        monkeypatch.setattr(module, "sample_beta", _uniform)

    def augment(images, sizes, side, generator):
        y = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        return AugmentationChain(name, (3, side, side))(images, sizes, y, 2, generator)[0]

    assert waits_of(augment) == []


@pytest.mark.parametrize(
    "augment",
    [
        lambda x, *_: x[:, :, :32, :32] * x.float().mean().item(),
        lambda x, *_: x[:, :, :32, :32] * torch.ones(1).to(x.device),
        lambda x, *_: x[:, :, :32, :32] + torch.tensor([1.0], device=x.device),
        lambda x, *_: x[:, :, :32, :32] + x[x > 3].sum(),
    ],
)
def test_what_waits_is_noticed(augment) -> None:
    assert waits_of(augment) != []
