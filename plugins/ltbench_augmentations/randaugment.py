"""RandAugment: operations drawn at random, all of one magnitude."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.api import Augmentation, HParams, hparam
from ltbench_augmentations.operations import apply
from ltbench_augmentations.space import WITHOUT, Range, Space

STEPS = 31
_SHIFT = Range(0.0, 150 / 331, signed=True, of_side=True)
_SHEAR = Range(0.0, 0.3, signed=True)
_ENHANCE = Range(0.0, 0.9, signed=True)
RANGES = {
    "identity": WITHOUT,
    "shear-x": _SHEAR,
    "shear-y": _SHEAR,
    "translate-x": _SHIFT,
    "translate-y": _SHIFT,
    "rotate": Range(0.0, 30.0, signed=True),
    "brightness": _ENHANCE,
    "color": _ENHANCE,
    "contrast": _ENHANCE,
    "sharpness": _ENHANCE,
    "posterize": Range(8.0, 4.0),
    "solarize": Range(1.0, 0.0),
    "autocontrast": WITHOUT,
    "equalize": WITHOUT,
}


class RandAugmentHParams(HParams):
    """Hyper-parameters of RandAugment."""

    n: int = hparam(2, low=1, high=10, search=(1, 3), help="operations an image, one by one")
    m: int = hparam(9, low=0, high=STEPS - 1, search=(3, 15), help="their magnitude; 30 is most")


class RandAugment(Augmentation):
    """RandAugment (Cubuk et al., NeurIPS 2020, arXiv:1909.13719, section 3 and algorithm 1).

    Each image is changed by ``n`` of fourteen operations, drawn with equal probability, all of the
    magnitude ``m``. As in torchvision, from which defaults and ranges are, the magnitude has 31
    steps from no change to the strongest, and every other shift, shear, rotation, brightness,
    colour, contrast and sharpness goes the other way. The authors' code gives the last four no
    sign (factors .1 to 1.9 over ten steps, so that their middle changes nothing), shifts by up to
    100 pixels of 331, and rounds to grey levels after each operation, which is not done here. What
    is left empty is black, there grey.
    """

    HParams = RandAugmentHParams
    channels = (3,)

    def __init__(self, hparams: RandAugmentHParams, image_shape: tuple[int, int, int]) -> None:
        super().__init__(hparams, image_shape)
        self.space = Space(RANGES, STEPS, self.side)

    def augment(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images changed."""
        return apply(x, *self.draw(len(x), generator))

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return operations and magnitudes of ``n`` images, each (n, operations an image)."""
        shape = (n, self.hparams.n)
        drawn = torch.randint(len(self.space), shape, generator=generator, device=generator.device)
        return self.space.look_up(drawn, self.hparams.m, generator)
