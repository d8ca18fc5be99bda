"""What an algorithm or stage honours of a protocol's wishes, by declaration or by inheritance."""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch
from torch import Tensor

from ltbench.plugins.algorithm import Algorithm, named
from ltbench.plugins.batch import Batch, MixedLabels
from ltbench.plugins.honours import obstacle
from ltbench.plugins.loss_scale import LossScale
from ltbench.plugins.names import parse_name
from ltbench.plugins.resolve import resolve
from ltbench.results.protocol import Protocol
from ltbench.session.protocol_checks import with_named
from ltbench.testing.point import NotApplicable, Points, Subject
from ltbench.testing.points.algorithm import KINDS, build_small
from ltbench.testing.small_model import SmallTraining, random_batch_for
from ltbench.training.optimizers import optimizer_maker

POINTS = Points()
SMOOTHING = 0.3


@POINTS.add("smoothing", "Smooth labels change its loss, where it honours them", *KINDS)
def check_smoothing(subject: Subject) -> None:
    """Compare the losses with labels that are smooth and that are not."""
    batch = _batch(_trained(subject, "label_smoothing"))
    plain = _total(build_small(subject.text), batch)
    smooth = _total(build_small(subject.text, label_smoothing=SMOOTHING), batch)
    assert not torch.isclose(plain, smooth), (
        f"{subject.text} says that it honours label_smoothing, which leaves its loss at "
        f"{float(plain):g}"
    )


@POINTS.add("mixed-labels", "Of mixed images both classes count, where it honours them", *KINDS)
def check_mixed_labels(subject: Subject) -> None:
    """Check the loss of mixtures that hold one image only against that of the image."""
    name, batch = subject.text, _batch(_trained(subject, "mixed_labels"))
    other = batch.per_domain(batch.y).flip(1).flatten()
    plain = _total(build_small(name), batch)
    first, second, half = (
        _total(build_small(name), replace(batch, mixed=MixedLabels(other, torch.tensor(share))))
        for share in (1.0, 0.0, 0.5)
    )
    assert torch.isclose(first, plain, rtol=1e-4), (
        f"{name}: the loss of images mixed with none of another is {float(first):g}, and "
        f"{float(plain):g} where they are not mixed"
    )
    assert not torch.isclose(half, plain), (
        f"{name} says that it honours mixed_labels, which leave its loss at {float(plain):g}"
    )
    if not torch.isclose(plain, _total(build_small(name), batch, seed=1), rtol=1e-6):
        return  # each class has draws of its own
    swapped = _total(build_small(name), replace(batch, y=other))
    assert torch.isclose(second, swapped, rtol=1e-4), (
        f"{name}: the loss of images of which only the other is left is {float(second):g}, and "
        f"{float(swapped):g} for the other's classes"
    )


@POINTS.add("accumulate", "Batches of one step move it once, where it honours them", *KINDS)
def check_accumulate(subject: Subject) -> None:
    """Take a step that two batches make, and compare it with one down their mean gradient."""
    model = _trained(subject, "accumulate")
    model.micro_batches, reference = 2, build_small(subject.text)
    batches = [_batch(model, seed) for seed in (0, 1)]
    before = _parameters(model)
    for number, batch in enumerate(batches):
        model.micro_batch = number
        _seed(model, number)
        if number == 0:
            model.before_step(0, SmallTraining(model, batch))
        model.step(batch)
        moved = any(
            not now.equal(then) for now, then in zip(_parameters(model), before, strict=True)
        )
        assert moved == (number == 1), (
            f"{subject.text}: the {'last' if number else 'first'} of two batches of a step "
            f"{'moves nothing' if number else 'moves it already'}"
        )
    if type(model).step is not Algorithm.step:
        return  # what it does beside the step is its own
    for expected, found in zip(_mean_step(reference, batches), _parameters(model), strict=True):
        assert torch.allclose(expected, found, rtol=1e-3, atol=1e-5), (
            f"{subject.text}: a step of two batches does not go down their mean gradient"
        )


@POINTS.add("gradients", "A step goes down its loss's gradient, where it honours that", *KINDS)
def check_gradients(subject: Subject) -> None:
    """Compare a step with one down the gradient of the loss, which is computed here."""
    model, reference = _trained(subject, "gradients"), build_small(subject.text)
    batch = _batch(model)
    _total(model, batch)
    for expected, found in zip(_mean_step(reference, [batch]), _parameters(model), strict=True):
        assert torch.allclose(expected, found, rtol=1e-3, atol=1e-5), (
            f"{subject.text} says that it honours gradients, and its step is not down that of its "
            "loss, or does something beside"
        )


@POINTS.add("image-losses", "Its loss is one of its logits, where it honours that", *KINDS)
def check_image_losses(subject: Subject) -> None:
    """Compare the loss with the mean of the risks of the logits."""
    model, reference = _trained(subject, "image_losses"), build_small(subject.text)
    batch = _batch(model)
    total = _total(model, batch)
    _seed(reference, 0)
    reference.before_step(0, SmallTraining(reference, batch))
    expected = reference.mixed_risks(reference.predict(batch.x), batch).mean().detach()
    assert torch.isclose(total, expected, rtol=1e-4), (
        f"{subject.text} says that it honours image_losses, and its loss is {float(total):g} where "
        f"the risks of its logits have the mean {float(expected):g}"
    )


@POINTS.add("fp16", "A step on a scaled loss is the same step, where it honours fp16", *KINDS)
def check_fp16(subject: Subject) -> None:
    """Compare two steps of SGD on scaled losses with two that are not; Adam knows no scale."""
    models = _trained(subject, "fp16"), build_small(subject.text)
    models[0].loss_scale = LossScale(torch.device("cpu"))
    sgd = Protocol.from_options({"optimizer": "sgd", "lr": 1e-2}, "protocol")
    for model in models:
        model.optimizers = model.configure_optimizers(optimizer_maker(sgd))
    for number, model in itertools.product(range(2), models):
        _seed(model, number)
        batch = _batch(model, number)
        model.before_step(number, SmallTraining(model, batch))
        model.step(batch)
    for scaled, plain in zip(*map(_parameters, models), strict=True):
        assert torch.allclose(scaled, plain, rtol=1e-3, atol=1e-5), (
            f"{subject.text} says that it honours fp16, and where the loss is scaled it learns "
            "something else: take every step by 'minimize'"
        )


def _trained(subject: Subject, wish: str) -> Algorithm:
    """Return the small model of what is trained and honours a wish."""
    model = build_small(subject.text)
    if not model.optimizers:
        raise NotApplicable("it is not trained")
    if reason := why_not(subject, wish):
        raise NotApplicable(reason)
    return model


def why_not(subject: Subject, wish: str) -> str:
    """Return why an algorithm or stage does not honour a wish, or nothing where it does."""
    name = parse_name(subject.text)
    kind = "stages" if subject.entry.kind == "stage" else "algorithms"
    for part, cls in with_named(name.name, *resolve(kind, name.name, name.options)):
        if method := obstacle(cls, wish):
            return f"'{part}' has a '{method}' of its own and declares nothing of it"
    return ""


def _batch(model: Algorithm, seed: int = 0) -> Batch:
    return random_batch_for(model, seed=seed)


def _seed(model: Algorithm, seed: int) -> None:
    torch.manual_seed(seed)
    model.generator.manual_seed(seed)


def _total(model: Algorithm, batch: Batch, seed: int = 0) -> Tensor:
    """Return the loss of a model's first step, detached."""
    _seed(model, seed)
    model.before_step(0, SmallTraining(model, batch))
    return model.step(batch)["total"]


def _parameters(model: Algorithm) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def _mean_step(model: Algorithm, batches: list[Batch]) -> list[Tensor]:
    """Return the parameters after a step down the mean gradient, which is computed here."""
    trained = [p for p in model.parameters() if p.requires_grad]
    sums = [torch.zeros_like(p) for p in trained]
    for number, batch in enumerate(batches):
        _seed(model, number)
        if number == 0:
            model.before_step(0, SmallTraining(model, batch))
        total = named(model.loss(batch))["total"]
        found = torch.autograd.grad(total, trained, allow_unused=True)
        for gathered, gradient in zip(sums, found, strict=True):
            if gradient is not None:
                gathered.add_(gradient)
    for parameter, gradient in zip(trained, sums, strict=True):
        parameter.grad = gradient / len(batches) if bool(gradient.any()) else None
    model.optimizers["main"].step()
    return _parameters(model)
