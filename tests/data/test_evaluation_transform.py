"""The centre crop is that of torchvision on the original image, cut from the stored square."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from ltbench.data.evaluation_transform import EvaluationTransform, centre_weights
from ltbench.data.store import stored_square
from ltbench.plugins.augmentation import plain

STORED, SIDE = 288, 224
PHOTOS = load_sample_images().images
SHAPES = {
    "landscape": lambda image: image,
    "portrait": lambda image: image.transpose(1, 0, 2),
    "square": lambda image: image[:, :427],
    "wide": lambda image: image[:200],
}


def theirs(
    image: np.ndarray, interpolation: str, side: int = SIDE, shorter: int = 256
) -> np.ndarray:
    steps = [Resize(shorter, InterpolationMode(interpolation)), CenterCrop(side)]
    return np.asarray(Compose(steps)(Image.fromarray(image))).transpose(2, 0, 1)


def ours(stored: np.ndarray, shape: tuple[int, ...], transform: EvaluationTransform) -> np.ndarray:
    images = torch.from_numpy(np.ascontiguousarray(stored))[None]
    return transform(images, torch.tensor([shape[:2]]))[0].numpy() * 255


@pytest.mark.parametrize("photo", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_photographs_are_cropped_as_torchvision_does(photo, shape, interpolation) -> None:
    """Squeezing to the stored square costs detail, two percent of the scale; the place is right."""
    image = np.ascontiguousarray(SHAPES[shape](PHOTOS[photo]))
    stored, expected = stored_square(image, STORED, 3), theirs(image, interpolation)
    crop = EvaluationTransform(SIDE, SIDE / 256, interpolation)
    apart = np.abs(ours(stored, image.shape, crop) - expected).mean()
    squeezed = np.abs(ours(stored, image.shape, EvaluationTransform(SIDE)) - expected).mean()
    assert apart < 0.02 * 255
    assert apart < 0.15 * squeezed


@pytest.mark.parametrize(
    ("interpolation", "most"), [("bilinear", 2), ("bicubic", 2), ("nearest", 0)]
)
@pytest.mark.parametrize("side", [224, 112, 33])
def test_a_square_that_is_stored_as_it_is_gives_pillows_pixels(interpolation, most, side) -> None:
    image = np.ascontiguousarray(PHOTOS[0][:STORED, :STORED])
    shorter = int(side / 0.875)
    expected = theirs(image, interpolation, side, shorter)
    found = ours(
        image.transpose(2, 0, 1), image.shape, EvaluationTransform(side, 0.875, interpolation)
    )
    apart = np.abs(found - expected)  # Pillow's weights are in fixed point: ties fall otherwise
    assert apart.max() <= most
    assert (apart > 1).mean() < 1e-4


def test_whole_images_are_squeezed_as_they_always_were() -> None:
    images = torch.randint(0, 256, (3, 3, 40, 40), dtype=torch.uint8)
    sizes = torch.tensor([[10, 20], [30, 30], [9, 4]])
    assert torch.equal(EvaluationTransform(32)(images, sizes), plain(images, 32))
    assert torch.equal(EvaluationTransform(40)(images, sizes), images.float() / 255)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_whole_images_follow_the_interpolation(interpolation) -> None:
    image = np.ascontiguousarray(PHOTOS[0][:STORED, :STORED])
    mode = {"bilinear": 2, "bicubic": 3, "nearest": 0}[interpolation]
    expected = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling(mode)))
    found = ours(
        image.transpose(2, 0, 1), image.shape, EvaluationTransform(64, None, interpolation)
    )
    assert np.abs(found - expected.transpose(2, 0, 1)).max() <= 2
    assert 0 <= found.min() <= found.max() <= 255.001


def test_a_batch_of_many_shapes_is_each_image_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (12, 1, 36, 36), dtype=torch.uint8, generator=generator)
    sizes = torch.tensor([[30, 40], [40, 30], [36, 36], [1, 500]]).repeat(3, 1)
    crop = EvaluationTransform(28, 0.9, "bicubic")
    alone = torch.cat(
        [crop(image[None], size[None]) for image, size in zip(images, sizes, strict=True)]
    )
    assert torch.equal(crop(images, sizes), alone)
    assert crop(images, sizes).shape == (12, 1, 28, 28)


def test_the_whole_of_the_shorter_side_may_be_kept() -> None:
    crop = EvaluationTransform(224, 1.0)
    assert crop.resized(100, 50) == (448, 224)
    assert crop.resized(50, 100) == (224, 448)
    assert EvaluationTransform(224, 0.875).resized(300, 400) == (256, 341)
    weights = centre_weights(50, 60, 20, "bilinear")
    assert torch.allclose(weights.sum(1), torch.ones(20))
