"""What every augmentation does."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltbench.errors import UsageError
from ltbench.plugins.augmentation import Augmentation, mixes
from ltbench.plugins.names import parse_name
from ltbench.plugins.resolve import resolve
from ltbench.testing.point import NotApplicable, Points, Subject
from ltbench.testing.small_data import BACKBONE, NAME
from ltbench.testing.small_run import carry_out, check_same

POINTS = Points()
KIND = "augmentation"
SIDE = 24
STORED = (24, 30)  # images are stored as large as the network sees them, or larger
IMAGES = 12
SEEDS = 20
ANY = (1, 3, 4)  # channels that are tried where any will do
ROUNDING = 1e-5


@POINTS.add("channels", "It says which numbers of channels it works on", KIND)
def check_channels(subject: Subject) -> None:
    """Check the declaration, by which runs on other images are refused."""
    declared = subject.entry.load().channels
    right = isinstance(declared, tuple) and all(type(n) is int and n > 0 for n in declared)
    assert right, f"{_said(subject)}: channels is {declared!r}, not a tuple of numbers such as (3,)"


@POINTS.add("shape", "Images keep their shape and type and stay in 0…1", KIND)
def check_shape(subject: Subject) -> None:
    """Check images of each number of channels that it works on, plain ones among them."""
    for one, stored in each_made(subject):
        shape = (IMAGES, one.image_shape[0], SIDE, SIDE)
        for images in (
            stored_images(one, stored),
            _plain(one, stored, 0),
            _plain(one, stored, 255),
        ):
            for seed in range(SEEDS):
                x = _apply(one, images, seed)
                where = f"{_said(subject)} on {one.image_shape[0]} channels"
                assert isinstance(x, Tensor), f"{where} returns no tensor"
                found, kind = tuple(x.shape), x.dtype
                assert found == shape, f"{where} returns {found}, not {shape}"
                assert kind == torch.float32, f"{where} returns {kind}, not torch.float32"
                low, high = float(x.min()), float(x.max())
                inside = low >= -ROUNDING and high <= 1 + ROUNDING  # false of what is no number
                assert inside, f"{where} gives values from {low:g} to {high:g}, not 0…1"


@POINTS.add("share", "Mixed images come with the share of the first in them", KIND)
def check_share(subject: Subject) -> None:
    """Check that the share is a scalar in 0…1."""
    if not mixes(subject.entry.load()):
        raise NotApplicable("it does not mix images")
    for one, stored in each_made(subject):
        x = _floats(one, stored)
        for seed in range(SEEDS):
            _, share = one.mix(x, x.flip(0), _generator(seed))
            where = f"{_said(subject)}: the share"
            scalar = isinstance(share, Tensor) and share.shape == ()
            assert scalar, f"{where} is {_described(share)}, not a tensor without dimensions"
            value = float(share)
            assert math.isfinite(value) and -ROUNDING <= value <= 1 + ROUNDING, (  # noqa: PT018
                f"{where} is {value:g}, not in 0…1"
            )


@POINTS.add("seed", "The same generator gives the same images, and another gives others", KIND)
def check_seed(subject: Subject) -> None:
    """Check images against those of the same seed, and of others if anything is drawn."""
    draws = differs = False
    for one, stored in each_made(subject):
        images, generator = stored_images(one, stored), _generator(0)
        untouched = generator.get_state()
        first = _apply(one, images, generator=generator)
        assert _apply(one, images, 0).equal(first), (
            f"{_said(subject)}: the same generator gives other images the second time"
        )
        draws |= not generator.get_state().equal(untouched)
        others = (_apply(one, images, seed) for seed in range(1, SEEDS))
        differs |= not all(other.equal(first) for other in others)
    assert differs or not draws, f"{_said(subject)}: other seeds give the same images"


@POINTS.add("neighbours", "What becomes of an image does not depend on those beside it", KIND)
def check_neighbours(subject: Subject) -> None:
    """Check an image among some and among others; where it mixes, before that."""
    for one, stored in each_made(subject):
        images = stored_images(one, stored)
        changed = images.flip(0)
        changed[0] = images[0]
        for seed in range(SEEDS):
            alone, among = (_apply(one, part, seed, mix=False) for part in (images, changed))
            assert torch.allclose(alone[0], among[0], atol=ROUNDING), (
                f"{_said(subject)}: what becomes of an image depends on the others in its batch"
            )


@POINTS.add("randomness", "Its randomness is that of the generator it is given", KIND)
def check_randomness(subject: Subject) -> None:
    """Check that no global generator is drawn from or seeded."""
    before = _global_states()
    for one, stored in each_made(subject):
        _apply(one, stored_images(one, stored), 0)
    for name, state in _global_states().items():
        assert state == before[name], (
            f"{_said(subject)} draws from {name}'s global generator, or seeds it: draw from the "
            "generator that is given"
        )


@POINTS.add("pure", "It leaves what it is given as it is", KIND)
def check_pure(subject: Subject) -> None:
    """Check the stored images, and the floats that augmentations hand on."""
    advice = f"{_said(subject)} changes the images that it is given: work on a copy"
    for one, stored in each_made(subject):
        images, x = stored_images(one, stored), _floats(one, stored)
        given, floats = images.clone(), x.clone()
        for seed in range(SEEDS):
            one.crop(images, original_sizes(), _generator(seed))
            one.augment(x, _generator(seed))
            one.mix(x, x.flip(0), _generator(seed))
            assert images.equal(given) and x.equal(floats), advice  # noqa: PT018


@POINTS.add("run", "A run with it ends, and the same seed gives the same result", KIND)
def check_run(subject: Subject) -> None:
    """Check two short runs on random images in colour."""
    spec = _planned(subject)
    whole = carry_out(spec, subject.folder / "whole", subject.folder)
    again = carry_out(spec, subject.folder / "again", subject.folder, stops=(2,))
    check_same(whole, again, f"a run with {subject.text}, broken off and resumed,")


def _planned(subject: Subject) -> Any:
    from ltbench.session.plan import Request, plan_runs

    settings = {"augmentation": subject.text}
    request = Request(
        ["erm"], [NAME], [0], "fp32", subject.folder, settings, backbone=BACKBONE, pretrained=False
    )
    try:
        (spec,) = plan_runs(request).specs
    except UsageError as error:
        declared = subject.entry.load().channels
        if declared and 3 not in declared:
            raise NotApplicable("it does not work on images in colour") from error
        raise
    return spec


def each_made(subject: Subject) -> Iterator[tuple[Augmentation, int]]:
    """Yield the augmentation for each number of channels, with each side of the stored images."""
    name = parse_name(subject.text)
    for channels in subject.entry.load().channels or ANY:
        for stored in STORED:
            cls, hparams = resolve("augmentations", subject.entry.name, name.options)
            yield cls(hparams, (channels, SIDE, SIDE)), stored


def _apply(
    one: Augmentation,
    images: Tensor,
    seed: int = 0,
    *,
    mix: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return stored images as the network sees them, as a chain of this one gives them."""
    generator = generator or _generator(seed)
    x = one.augment(one.crop(images, original_sizes(), generator), generator)
    return one.mix(x, x.flip(0), generator)[0] if mix and mixes(type(one)) else x


def stored_images(one: Augmentation, stored: int) -> Tensor:
    """Return random images as they are stored, (:data:`IMAGES`, C, stored, stored) uint8."""
    shape = (IMAGES, one.image_shape[0], stored, stored)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=_generator(7))


def _plain(one: Augmentation, stored: int, level: int) -> Tensor:
    return torch.full_like(stored_images(one, stored), level)


def _floats(one: Augmentation, stored: int) -> Tensor:
    return Augmentation(None, one.image_shape).crop(
        stored_images(one, stored), original_sizes(), _generator(0)
    )


def original_sizes() -> Tensor:
    """Return the sizes of images before they were stored, some far from squares."""
    return torch.tensor([[30, 30], [40, 90], [300, 20]] * (IMAGES // 3))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _global_states() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "NumPy": (kind, np.asarray(keys).tobytes(), *rest),
        "Python": random.getstate(),
    }


def _said(subject: Subject) -> str:
    return f"augmentation '{subject.entry.name}'"


def _described(value: Any) -> str:
    return f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
