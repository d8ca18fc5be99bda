"""Rectangles have the areas, shapes and places of torchvision's, or of the paper's code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_augmentations.cutmix import CutMix
from ltbench_augmentations.cutout import Cutout
from ltbench_augmentations.random_erasing import RandomErasing
from scipy import stats
from torchvision.transforms import v2

OURS, THEIRS = 20_000, 4_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def erasing(side: int, **hparams: float) -> RandomErasing:
    return RandomErasing(RandomErasing.HParams(**hparams), (3, side, side))


def extents(lost: torch.Tensor) -> np.ndarray:
    """Return top, height, left and width of the rectangles in (n, 1, side, side)."""
    rows, columns = lost.any(-1).flatten(1), lost.any(-2).flatten(1)
    assert torch.equal(lost.flatten(1).sum(1), rows.sum(1) * columns.sum(1))
    found = (rows.int().argmax(1), rows.sum(1), columns.int().argmax(1), columns.sum(1))
    return torch.stack(found, 1).double().numpy()


@pytest.mark.parametrize(
    ("side", "options"),
    [(32, {}), (64, {"least": 0.1, "most": 0.2, "ratio": 0.5}), (40, {"most": 0.9})],
)
def test_random_erasing_draws_as_torchvision(side: int, options: dict[str, float]) -> None:
    chosen = {"least": 0.02, "most": 0.33, "ratio": 0.3, **options}
    found = extents(erasing(side, p=1.0, **options).draw(OURS, seeded()))
    transform = v2.RandomErasing(
        scale=(chosen["least"], chosen["most"]), ratio=(chosen["ratio"], 1 / chosen["ratio"])
    )
    torch.manual_seed(0)
    image = torch.zeros(3, side, side)
    drawn = [transform.make_params([image]) for _ in range(THEIRS)]
    theirs = np.array([[d["i"], d["h"], d["j"], d["w"]] for d in drawn if d["v"] is not None])
    found = found[found[:, 1] > 0]
    for column, name in enumerate(("top", "height", "left", "width")):
        p = stats.ks_2samp(found[:, column], theirs[:, column]).pvalue
        assert p > 1e-3, name
    for number in (lambda e: e[:, 1] * e[:, 3], lambda e: e[:, 1] / e[:, 3]):
        assert stats.ks_2samp(number(found), number(theirs)).pvalue > 1e-3


def test_random_erasing_leaves_as_many_as_it_shall() -> None:
    for p in (0.0, 0.5, 1.0):
        lost = erasing(32, p=p).draw(4000, seeded()).flatten(1).any(1).sum().item()
        assert stats.binomtest(lost, 4000, p).pvalue > 1e-3


def test_what_never_fits_is_left() -> None:
    """More than the whole image at every try, as in torchvision."""
    assert not erasing(16, p=1.0, least=1.0, most=1.0, ratio=1.0).draw(50, seeded()).any()


def test_what_is_erased_is_black_in_all_channels_and_nothing_else_changes() -> None:
    x = torch.rand(300, 5, 24, 24, generator=seeded()).clamp(min=0.01)
    for augmentation in (
        erasing(24),
        Cutout(Cutout.HParams(size=9), (5, 24, 24)),
    ):
        found = augmentation.augment(x, seeded(1))
        lost = (found == 0).all(1, keepdim=True)
        assert torch.equal(found, x * ~lost)
        assert lost.any()


@pytest.mark.parametrize(("side", "size"), [(32, 16), (32, 8), (40, 64)])
def test_cutout_is_that_of_its_authors(side: int, size: int) -> None:
    """Their code, which clips the square at the border, on centres of every pixel."""
    cutout = Cutout(Cutout.HParams(size=size), (3, side, side))
    x = cutout.augment(torch.ones(OURS, 1, side, side), seeded())
    found = extents(x == 0)
    rng = np.random.default_rng(0)
    theirs = []
    for _ in range(THEIRS):
        y, x = rng.integers(side), rng.integers(side)
        top, bottom = np.clip(y - size // 2, 0, side), np.clip(y + size // 2, 0, side)
        left, right = np.clip(x - size // 2, 0, side), np.clip(x + size // 2, 0, side)
        theirs.append((top, bottom - top, left, right - left))
    for column in range(4):
        assert stats.ks_2samp(found[:, column], np.array(theirs)[:, column]).pvalue > 1e-3
    assert set(found[:, 1] * found[:, 3]) >= {h * w for _, h, _, w in theirs}


@pytest.mark.parametrize(("alpha", "side"), [(1.0, 32), (0.3, 50)])
def test_cutmix_draws_as_torchvision(alpha: float, side: int) -> None:
    ours = CutMix(CutMix.HParams(alpha=alpha), (3, side, side))
    generator = seeded()
    found = np.array([[float(e) for e in ours.draw(generator)] for _ in range(THEIRS)])
    torch.manual_seed(0)
    transform, image = v2.CutMix(alpha=alpha, num_classes=2), torch.zeros(2, 3, side, side)
    boxes = [transform.make_params([image])["box"] for _ in range(THEIRS)]
    theirs = np.array([(y1, y2, x1, x2) for x1, y1, x2, y2 in boxes])
    for column in range(4):
        assert stats.ks_2samp(found[:, column], theirs[:, column]).pvalue > 1e-3
    areas = ((f[:, 1] - f[:, 0]) * (f[:, 3] - f[:, 2]) for f in (found, theirs))
    assert stats.ks_2samp(*areas).pvalue > 1e-3


def test_cutmix_mixes_as_many_batches_as_it_shall() -> None:
    generator, cutmix = seeded(), CutMix(CutMix.HParams(alpha=100.0, p=0.5), (3, 32, 32))
    boxes = [cutmix.draw(generator) for _ in range(2000)]
    mixed = sum(float(top) < float(bottom) for top, bottom, *_ in boxes)
    assert stats.binomtest(mixed, 2000, 0.5).pvalue > 1e-3


def test_cutmix_pastes_a_rectangle_and_its_share_is_the_area_that_is_left() -> None:
    cutmix = CutMix(CutMix.HParams(), (3, 24, 24))
    x, others = torch.zeros(6, 3, 24, 24), torch.ones(6, 3, 24, 24)
    for seed in range(30):
        found, share = cutmix.mix(x, others, seeded(seed))
        extents(found[:, :1] == 1)
        assert torch.equal(found, found[:1, :1].expand_as(found))
        assert float(share) == pytest.approx(1 - float(found[0, 0].mean()), abs=1e-6)
