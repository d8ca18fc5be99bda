"""The augmentations of photographs that protocols name."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from ltbench.api import Augmentation, HParams, hparam
from ltbench_augmentations.photo import Photo

_AREA = "least share of the image's area that a crop has"
_GREY = "share of the images that lose their colour"


def _width(default: float, what: str, high: float = 1.0) -> float:
    """Declare the half-width of what is drawn around no change."""
    found: float = hparam(default, low=0.0, high=high, help=f"most that the {what} changes by")
    return found


class PhotoHParams(HParams):
    """Hyper-parameters of the augmentation of the MDLT benchmark."""

    area: float = hparam(0.7, low=0.01, high=1.0, help=_AREA)
    brightness: float = _width(0.3, "brightness")
    contrast: float = _width(0.3, "contrast")
    saturation: float = _width(0.3, "saturation")
    hue: float = _width(0.3, "hue", high=0.5)
    grey: float = hparam(0.1, low=0.0, high=1.0, help=_GREY)


class ImageNetHParams(HParams):
    """Hyper-parameters of the augmentation of the ImageNet-LT literature."""

    area: float = hparam(0.08, low=0.01, high=1.0, help=_AREA)
    brightness: float = _width(0.4, "brightness")
    contrast: float = _width(0.4, "contrast")
    saturation: float = _width(0.4, "saturation")
    hue: float = _width(0.0, "hue", high=0.5)
    grey: float = hparam(0.0, low=0.0, high=1.0, help=_GREY)


class PhotoAugmentation(Augmentation):
    """Crop, mirror, jitter and grey, as the MDLT benchmark does (Yang et al., ECCV 2022).

    Those of torchvision's transforms of these names: a crop of random area and aspect ratio, drawn
    in pixels of the original; brightness, contrast, saturation and hue changed in random order; and
    some images without colour (arXiv:2203.09513, and the ``mdlt`` repository).
    """

    HParams: ClassVar[type[HParams]] = PhotoHParams
    channels = (1, 3)

    def __init__(self, hparams: Any, image_shape: tuple[int, int, int]) -> None:
        super().__init__(hparams, image_shape)
        widths = (hparams.brightness, hparams.contrast, hparams.saturation, hparams.hue)
        self.photo = Photo(area=(hparams.area, 1.0), jitter=widths, grey=hparams.grey)

    def crop(self, images: Tensor, sizes: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images cropped, mirrored and changed in colour."""
        return self.photo(images, sizes, self.side, generator)


class ImageNet(PhotoAugmentation):
    """Crop, mirror and jitter, as is done on ImageNet-LT (Liu et al., CVPR 2019).

    Crops from 8 % of the area on, and no change of hue (arXiv:1904.05160; Kang et al., ICLR 2020,
    arXiv:1910.09217).
    """

    HParams = ImageNetHParams
