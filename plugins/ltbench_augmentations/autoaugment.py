"""AutoAugment: policies that were learned on CIFAR-10, ImageNet and SVHN."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.api import Augmentation, HParams, hparam
from ltbench_augmentations.operations import IDENTITY, apply
from ltbench_augmentations.policies import POLICIES, read_policy
from ltbench_augmentations.randaugment import RANGES as OF_RANDAUGMENT
from ltbench_augmentations.space import WITHOUT, Space

STEPS = 10
RANGES = {name: one for name, one in OF_RANDAUGMENT.items() if name != "identity"}
RANGES["invert"] = WITHOUT


class AutoAugmentHParams(HParams):
    """Hyper-parameters of AutoAugment."""

    policy: str = hparam("imagenet", choices=tuple(POLICIES), help="the data set it was learned on")


class AutoAugment(Augmentation):
    """AutoAugment (Cubuk et al., CVPR 2019, arXiv:1805.09501, section 4 and appendix A).

    Each image draws one of 25 sub-policies, and does each of its two operations with the
    probability that belongs to it. As in torchvision, every other shift, shear, rotation,
    brightness, colour, contrast and sharpness goes the other way; in the authors' code the last
    four have no sign, their steps leading from .1 to 1.9. Their code for ImageNet shifts by up to
    150 pixels of 331, that for CIFAR by up to 10 of 32; here it is 150/331 of the side, as in
    torchvision. What is left empty is black, there grey. On CIFAR the paper shifts and mirrors
    before, and ends with Cutout: ``crop-flip>autoaugment[policy=cifar10]>cutout``.
    """

    HParams = AutoAugmentHParams
    channels = (3,)

    def __init__(self, hparams: AutoAugmentHParams, image_shape: tuple[int, int, int]) -> None:
        super().__init__(hparams, image_shape)
        self.space = Space(RANGES, STEPS, self.side)
        names = list(RANGES)
        policy = read_policy(POLICIES[hparams.policy])
        self.places = torch.tensor([[names.index(name) for name, _, _ in sub] for sub in policy])
        self.chances = torch.tensor([[chance for _, chance, _ in sub] for sub in policy])
        self.steps = torch.tensor([[step for _, _, step in sub] for sub in policy])

    def augment(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images changed."""
        return apply(x, *self.draw(len(x), generator))

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return operations and magnitudes of ``n`` images, each (n, 2)."""
        device = generator.device
        if self.places.device != device:  # once in a run
            for name in ("places", "chances", "steps"):
                setattr(self, name, getattr(self, name).to(device, non_blocking=True))
        drawn = torch.randint(len(self.places), (n,), generator=generator, device=device)
        done = torch.rand(n, 2, generator=generator, device=device) < self.chances[drawn]
        found = self.space.look_up(self.places[drawn], self.steps[drawn], generator)
        operations, magnitudes = found
        return torch.where(done, operations, IDENTITY), magnitudes
