"""Augmentations that are wrong in one way each are found, by the point that asks for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltbench.api import Augmentation, HParams


class Late(Augmentation):
    """Forgets to clamp (2026)."""

    def augment(self, x, generator):
        return x * 1.5


class NoNumber(Augmentation):
    """Divides by the contrast, which plain images have none of (2026)."""

    def augment(self, x, generator):
        low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        return (x - low) / (high - low)


class Shrinks(Augmentation):
    """Loses a row (2026)."""

    def augment(self, x, generator):
        return x[:, :, 1:]


class Bytes(Augmentation):
    """Returns what is stored (2026)."""

    def crop(self, images, sizes, generator):
        return images[..., : self.side, : self.side]


class Halfs(Augmentation):
    """Returns another type (2026)."""

    def augment(self, x, generator):
        return x.half()


class TooLarge(Augmentation):
    """Forgets that images are stored larger (2026)."""

    def crop(self, images, sizes, generator):
        return images.float() / 255


class Claims(Augmentation):
    """Works on colour alone, and does not say so (2026)."""

    def augment(self, x, generator):
        return x[:, [2, 1, 0]]


class Declares(Augmentation):
    """Declares a number (2026)."""

    channels = 3


class Unseeded(Augmentation):
    """Draws from nowhere (2026)."""

    def augment(self, x, generator):
        return x * np.random.default_rng().random()


class Numpys(Augmentation):
    """Draws from NumPy (2026)."""

    def augment(self, x, generator):
        np.random.rand()
        return x


class Torchs(Augmentation):
    """Draws from torch's own generator, which is seeded for every step (2026)."""

    def augment(self, x, generator):
        torch.rand(())
        return x


class Stuck(Augmentation):
    """Draws, to no effect (2026)."""

    def augment(self, x, generator):
        torch.rand(len(x), generator=generator)
        return x


class Neighbourly(Augmentation):
    """Looks at the whole batch (2026)."""

    def augment(self, x, generator):
        return (x - x.mean(0)).clamp(0, 1)


class InPlace(Augmentation):
    """Writes to what it is given (2026)."""

    def augment(self, x, generator):
        return x.mul_(0.5)


class InStore(Augmentation):
    """Writes to the stored images (2026)."""

    def crop(self, images, sizes, generator):
        images[:, :, 0] = 0
        return super().crop(images, sizes, generator)


class InMixture(Augmentation):
    """Writes to the images that it mixes (2026)."""

    def mix(self, x, others, generator):
        return x.mul_(0.5).add_(others, alpha=0.5), torch.tensor(0.5)


class NoTensor(Augmentation):
    """Returns a number for the share (2026)."""

    def mix(self, x, others, generator):
        return (x + others) / 2, 0.5


class Each(Augmentation):
    """Has a share for each image (2026)."""

    def mix(self, x, others, generator):
        return (x + others) / 2, torch.full((len(x),), 0.5)


class Percent(Augmentation):
    """Counts in percent (2026)."""

    def mix(self, x, others, generator):
        return (x + others) / 2, torch.tensor(50.0)


class Counts(Augmentation):
    """Is another after a step, which a resumed run does not know of (2026)."""

    steps = 0

    def augment(self, x, generator):
        self.steps += 1
        return x / self.steps


class Unbounded(Augmentation):
    """Has a number without bounds (2026)."""

    class HParams(HParams):
        """Its hyper-parameters."""

        strength: float = 1.0


class Unsaid(Augmentation):
    """Names no paper."""


@pytest.mark.parametrize(
    ("augmentation", "point", "says"),
    [
        (Late, "shape", "gives values from 0 to 1.5, not 0…1"),
        (NoNumber, "shape", "gives values from nan to nan"),
        (Shrinks, "shape", "returns (12, 1, 23, 24), not (12, 1, 24, 24)"),
        (Bytes, "shape", "returns torch.uint8, not torch.float32"),
        (Halfs, "shape", "returns torch.float16, not torch.float32"),
        (TooLarge, "shape", "returns (12, 1, 30, 30), not (12, 1, 24, 24)"),
        (Claims, "shape", "IndexError"),
        (Declares, "channels", "channels is 3, not a tuple of numbers such as (3,)"),
        (Unseeded, "seed", "the same generator gives other images the second time"),
        (Counts, "seed", "the same generator gives other images the second time"),
        (Numpys, "randomness", "draws from NumPy's global generator"),
        (Torchs, "randomness", "draws from torch's global generator"),
        (Stuck, "seed", "other seeds give the same images"),
        (Neighbourly, "neighbours", "depends on the others in its batch"),
        (InPlace, "pure", "changes the images that it is given: work on a copy"),
        (InStore, "pure", "changes the images that it is given: work on a copy"),
        (InMixture, "pure", "changes the images that it is given: work on a copy"),
        (NoTensor, "share", "the share is 0.5, not a tensor without dimensions"),
        (Each, "share", "the share is of shape (12,), not a tensor without dimensions"),
        (Percent, "share", "the share is 50, not in 0…1"),
        (Unbounded, "bounds", "'strength' has no bound"),
        (Unsaid, "source", "names no source"),
        (lambda x: x, "base", "is no subclass of Augmentation"),
    ],
)
def test_the_kit_finds_wrong_augmentations(ask, augmentation, point, says) -> None:
    result = ask("augmentations", augmentation, point)[point]
    assert result.status == "failed"
    assert says in result.cause


class Grey(Augmentation):
    """Works on grey images (2026)."""

    channels = (1,)


def test_the_kit_does_not_ask_what_does_not_apply(ask) -> None:
    results = ask("augmentations", Grey)
    failed = {name: result.cause for name, result in results.items() if result.status == "failed"}
    assert failed == {}
    assert results["run"].cause == "it does not work on images in colour"
    assert results["share"].status == "skipped"
