"""What runs in a step, on an accelerator: one device throughout, and no waiting for it.

A host that waits for the device, to read a value or to copy a constant, leaves it idle meanwhile:
the kernels of a small step take less time than it takes to launch them. The device is emulated
(:mod:`ltbench.testing.fake_cuda`), so that this is found where there is none.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from ltbench.errors import described
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.augmentation import Augmentation, mixes
from ltbench.plugins.batch import Batch, MixedLabels
from ltbench.results.protocol import Protocol
from ltbench.testing.fake_cuda import FakeCuda
from ltbench.testing.point import Points, Subject
from ltbench.testing.points.algorithm import build_small
from ltbench.testing.points.augmentation import each_made, original_sizes, stored_images
from ltbench.testing.points.backbone import small_backbone
from ltbench.testing.points.honours import why_not
from ltbench.testing.small_model import SmallTraining, build_modifier, random_batch_for
from ltbench.testing.waits import WrongDevice, line_of
from ltbench.training.checkpoint import copied
from ltbench.training.memory_format import channels_last
from ltbench.training.optimizers import optimizer_maker

POINTS = Points()
SENTENCE = "On an accelerator it stays on the device and its steps never wait for it"
WHOLE = (5, range(5))
LATE = (1002, (500, 501, 1001))  # what begins in the middle of a training has begun
SMOOTHING, SHARE = 0.1, 0.7
PLAIN = "erm"


@POINTS.add("device", SENTENCE, "algorithm", "stage")
def check_algorithm(subject: Subject) -> None:
    """Check all steps of a short training, and some of a long one that asks for what it honours.

    The long one has its channels last in memory. :meth:`Algorithm.before_step` may wait.
    """
    smoothing = 0.0 if why_not(subject, "label_smoothing") else SMOOTHING
    mixed = not why_not(subject, "mixed_labels")
    for (steps, numbers), late in ((WHOLE, False), (LATE, True)):
        with FakeCuda() as device, _located(subject, device):

            def place(model: Algorithm, late: bool = late) -> Algorithm:
                if late:
                    channels_last(model)
                return _placed(model)

            smooth = smoothing if late else 0.0
            model = build_small(subject.text, steps=steps, label_smoothing=smooth, place=place)
            batch = _batch(model, late, mixed and late)
            for step in numbers:
                model.generator.manual_seed(step)
                model.before_step(step, SmallTraining(model, batch))
                device.clear()
                images = batch.x.sigmoid()
                model.augment_by_class(images, batch.y, batch.d, model.generator)
                if model.optimizers:
                    model.step(batch)
                _refuse_waits(subject, device)
            with torch.no_grad():
                model.eval().predict(batch.x)
            model.load_state_dict({key: value.cpu() for key, value in model.state_dict().items()})


@POINTS.add("device", SENTENCE, "modifier")
def check_modifier(subject: Subject) -> None:
    """Check all steps of a short training of a plain algorithm."""
    steps, numbers = WHOLE
    with FakeCuda() as device, _located(subject, device):
        model = build_small(PLAIN, steps=steps, place=_placed)
        modifier, batch = (
            build_modifier(subject.text, model),
            _batch(model, False, False),
        )
        for step in numbers:
            model.generator.manual_seed(step)
            device.clear()
            modifier.step(batch, model.step)
            modifier.after_step(step + 1)
            _refuse_waits(subject, device)
            modifier.after_evaluation(step + 1, 1.0)
            modifier.weights()
        modifier.load_state_dict(copied(modifier.state_dict()))


@POINTS.add("device", SENTENCE, "augmentation")
def check_augmentation(subject: Subject) -> None:
    """Check some batches; before the second one it may have moved what it needs to the device."""
    for one, stored in each_made(subject):
        images, sizes = stored_images(one, stored), original_sizes()
        with FakeCuda() as device, _located(subject, device):
            images, sizes = images.to("cuda"), sizes.to("cuda")
            for seed in range(3):
                generator = torch.Generator("cuda").manual_seed(seed)
                _augment(one, images.clone() if seed else images, sizes, generator)
                if seed:
                    _refuse_waits(subject, device)
                device.clear()


@POINTS.add("device", SENTENCE, "backbone")
def check_backbone(subject: Subject) -> None:
    """Check features and gradients, with the channels of the weights last in memory and not."""
    backbone, x = small_backbone(subject)
    for last in (False, True):
        with FakeCuda() as device, _located(subject, device):
            model = copy.deepcopy(backbone).to("cuda").train()
            images = x.to("cuda")
            if last:
                channels_last(model)
                images = images.contiguous(memory_format=torch.channels_last)
            device.clear()
            model(images).square().sum().backward()
            _refuse_waits(subject, device)


@contextmanager
def _located(subject: Subject, device: FakeCuda) -> Iterator[None]:
    """Turn what is raised on the device into a failure that says where."""
    try:
        yield
    except AssertionError:
        raise
    except WrongDevice as error:
        raise AssertionError(f"{_said(subject)}: {error}") from error
    except Exception as error:
        raise AssertionError(
            f"{_said(subject)} fails on a CUDA device at {line_of(error)}: {described(error)}"
        ) from error


def _refuse_waits(subject: Subject, device: FakeCuda) -> None:
    found = list(dict.fromkeys(device.waits))
    assert not found, f"{_said(subject)} makes the host wait for the device: {'; '.join(found)}"


def _placed(model: Algorithm) -> Algorithm:
    """Move a model to the device as a run does, with a generator and optimisers there."""
    model.to("cuda")
    model.generator = torch.Generator("cuda").manual_seed(0)
    model.optimizers = model.configure_optimizers(
        optimizer_maker(Protocol.from_options({}, "protocol"))
    )
    return model.train()


def _batch(model: Algorithm, last: bool, mixed: bool) -> Batch:
    """Return random images on the device, with the views and the second batch of a model."""
    batch = _moved(random_batch_for(model), last)
    if not mixed:
        return batch
    other = batch.per_domain(batch.y).flip(1).flatten()
    return replace(batch, mixed=MixedLabels(other, torch.full((), SHARE, device="cuda")))


def _moved(batch: Batch, last: bool) -> Batch:
    views = [view.to("cuda") for view in batch.views]
    if last:
        views = [view.contiguous(memory_format=torch.channels_last) for view in views]
    return Batch(
        views[0],
        batch.y.to("cuda"),
        batch.d.to("cuda"),
        num_domains=batch.num_domains,
        views=tuple(views),
        second=None if batch.second is None else _moved(batch.second, last),
    )


def _augment(
    one: Augmentation, images: Tensor, sizes: Tensor, generator: torch.Generator
) -> Tensor:
    x = one.augment(one.crop(images, sizes, generator), generator)
    return one.mix(x, x.flip(0), generator)[0] if mixes(type(one)) else x


def _said(subject: Subject) -> str:
    return f"{subject.entry.kind} '{subject.text}'"
