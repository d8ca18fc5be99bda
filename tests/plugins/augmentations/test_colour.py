"""Each colour change equals torchvision's, one image at a time and in a batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ltbench_augmentations.colour import (
    BRIGHTNESS,
    CONTRAST,
    HUE,
    SATURATION,
    jitter,
    luma,
    turn_hue,
)
from torchvision.transforms.v2 import functional as TF

THEIRS = {
    BRIGHTNESS: TF.adjust_brightness,
    CONTRAST: TF.adjust_contrast,
    SATURATION: TF.adjust_saturation,
    HUE: TF.adjust_hue,
}
PURE = torch.tensor([[r, g, b] for r in (0.0, 0.5, 1.0) for g in (0.0, 1.0) for b in (0.0, 1.0)])


def pictures() -> torch.Tensor:
    x = torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    x[1] = PURE.T.view(3, 12, 1)
    x[2] = 0.4  # grey: no hue
    x[3] = (x[3] * 4).round() / 4  # ties between channels
    return x


@pytest.mark.parametrize("kind", THEIRS)
@pytest.mark.parametrize("share", [-1.0, -0.4, 0.0, 0.3, 1.0])
def test_equals_torchvision(kind: int, share: float) -> None:
    factor = 0.3 * share if kind == HUE else 1 + 0.3 * share
    factors = [factor if k == kind else float(k != HUE) for k in range(4)]
    for x in pictures():
        assert torch.allclose(
            jitter(x.clone(), factors, [kind]), THEIRS[kind](x, factor), atol=3e-6
        )


def test_a_batch_is_its_images() -> None:
    x = pictures()
    drawn = torch.rand(5, 4) * 0.6 - 0.3 + torch.tensor([1, 1, 1, 0])
    order = [3, 1, 0, 2]
    batch = jitter(x.clone(), drawn.T[:, :, None, None, None].unbind(), order)
    for image, factors, found in zip(x, drawn.tolist(), batch, strict=True):
        assert torch.allclose(jitter(image.clone(), factors, order), found, atol=1e-6)


@settings(max_examples=200)
@given(
    st.tuples(*[st.floats(0, 1, width=32)] * 3),
    st.floats(-0.5, 0.5).filter(lambda t: abs(t) <= 0.5),
)
def test_any_pixel_at_any_turn(pixel: tuple[float, ...], turn: float) -> None:
    x = torch.tensor(pixel).view(3, 1, 1)
    found = turn_hue(x.clone(), turn)
    assert torch.allclose(found.amax(), x.amax(), atol=1e-5)
    assert torch.allclose(found.amin(), x.amin(), atol=1e-5)
    if float(x.amax() - x.amin()) > 1e-3:
        assert torch.allclose(found, TF.adjust_hue(x, turn), atol=2e-3)


def test_luma() -> None:
    assert torch.allclose(luma(pictures()), TF.rgb_to_grayscale(pictures()), atol=1e-6)
    assert torch.equal(luma(pictures()[:, :1]), pictures()[:, :1])
