"""TrivialAugment: one operation of random magnitude."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.api import Augmentation
from ltbench_augmentations.operations import apply
from ltbench_augmentations.randaugment import STEPS
from ltbench_augmentations.space import WITHOUT, Range, Space

_SHIFT = Range(0.0, 32.0, signed=True)
_SHEAR = Range(0.0, 0.99, signed=True)
_ENHANCE = Range(0.0, 0.99, signed=True)
RANGES = {
    "identity": WITHOUT,
    "shear-x": _SHEAR,
    "shear-y": _SHEAR,
    "translate-x": _SHIFT,
    "translate-y": _SHIFT,
    "rotate": Range(0.0, 135.0, signed=True),
    "brightness": _ENHANCE,
    "color": _ENHANCE,
    "contrast": _ENHANCE,
    "sharpness": _ENHANCE,
    "posterize": Range(8.0, 2.0),
    "solarize": Range(1.0, 0.0),
    "autocontrast": WITHOUT,
    "equalize": WITHOUT,
}


class TrivialAugment(Augmentation):
    """TrivialAugment (Müller & Hutter, ICCV 2021, arXiv:2103.10158, section 3, "wide" space).

    Each image is changed by one of fourteen operations, drawn with equal probability, of one of 31
    magnitudes. There is nothing to set. Shifts are of up to 32 pixels whatever the image's size,
    as in the paper's table 6 and in torchvision.
    """

    channels = (3,)

    def __init__(self, hparams: object, image_shape: tuple[int, int, int]) -> None:
        super().__init__(hparams, image_shape)
        self.space = Space(RANGES, STEPS, self.side)

    def augment(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images changed."""
        return apply(x, *self.draw(len(x), generator))

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the operation and its magnitude for ``n`` images, each (n, 1)."""
        shape, device = (n, 1), generator.device
        drawn = torch.randint(len(self.space), shape, generator=generator, device=device)
        steps = torch.randint(STEPS, shape, generator=generator, device=device)
        return self.space.look_up(drawn, steps, generator)
